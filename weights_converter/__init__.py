"""Checkpoints of ODConv models between PyTorch, PaddlePaddle and Keras, without any of them.

`inspect`, `convert`, `verify` and `diff` work on files and need no framework; `extract`, `assign`
and `load_into` work on a live model and use the framework it is of. Each name is imported when it
is first used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from weights_converter.lazy_names import lazily

if TYPE_CHECKING:
    from odconv_spec.version import __version__
    from weights_converter.comparison.changes import Diff
    from weights_converter.comparison.diff import diff
    from weights_converter.comparison.inspect import Inspection, inspect
    from weights_converter.comparison.verify import Comparison, verify
    from weights_converter.conversion.convert import convert
    from weights_converter.conversion.report import Report
    from weights_converter.errors import (
        ConverterError,
        DamagedError,
        FileError,
        MismatchError,
        RefusedError,
        UsageError,
    )
    from weights_converter.identify.manifest import Manifest, read_manifest
    from weights_converter.identify.request import Request
    from weights_converter.live.arrays import assign, extract, save_manifest
    from weights_converter.live.loading import Loaded, load_into

_HOMES: Final[Mapping[str, str]] = {
    "__version__": "odconv_spec.version",
    "Comparison": "weights_converter.comparison.verify",
    "ConverterError": "weights_converter.errors",
    "DamagedError": "weights_converter.errors",
    "Diff": "weights_converter.comparison.changes",
    "FileError": "weights_converter.errors",
    "Inspection": "weights_converter.comparison.inspect",
    "Loaded": "weights_converter.live.loading",
    "Manifest": "weights_converter.identify.manifest",
    "MismatchError": "weights_converter.errors",
    "RefusedError": "weights_converter.errors",
    "Report": "weights_converter.conversion.report",
    "Request": "weights_converter.identify.request",
    "UsageError": "weights_converter.errors",
    "assign": "weights_converter.live.arrays",
    "convert": "weights_converter.conversion.convert",
    "diff": "weights_converter.comparison.diff",
    "extract": "weights_converter.live.arrays",
    "inspect": "weights_converter.comparison.inspect",
    "load_into": "weights_converter.live.loading",
    "read_manifest": "weights_converter.identify.manifest",
    "save_manifest": "weights_converter.live.arrays",
    "verify": "weights_converter.comparison.verify",
}
__all__ = [
    "Comparison",
    "ConverterError",
    "DamagedError",
    "Diff",
    "FileError",
    "Inspection",
    "Loaded",
    "Manifest",
    "MismatchError",
    "RefusedError",
    "Report",
    "Request",
    "UsageError",
    "__version__",
    "assign",
    "convert",
    "diff",
    "extract",
    "inspect",
    "load_into",
    "read_manifest",
    "save_manifest",
    "verify",
]


__getattr__, __dir__ = lazily(__name__, _HOMES)
