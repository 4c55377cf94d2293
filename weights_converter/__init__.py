"""Checkpoints of ODConv models between PyTorch, PaddlePaddle and Keras, without any of them.

`inspect`, `convert`, `verify` and `diff` work on files and need no framework; `extract`, `assign`
and `load_into` work on a live model and use the framework it is of.
"""

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
