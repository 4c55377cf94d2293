"""Checkpoints of dynamic convolutions: what the command `odconv` does, as a library.

Each function is the command of its name. They work on files and need no framework, except
`load_into`, `evaluate`, `predict`, `attend`, `export`, `export_onnx` and `verify_outputs`; `demo`
runs those that there are. A source is a path, or a `Request` that says more of it. Everything is
imported when it is first used, so `import odconv` costs nothing.

Example:
    >>> import odconv
    >>> odconv.list_models()[:2]
    ['resnet18', 'resnet34']
    >>> checkpoint = odconv.Request("odconv_demo/digits.pth.tar", "odconv_demo/digits.json")
    >>> odconv.convert(checkpoint, "digits.pdparams").verdict
    'all bits equal when read back'
    >>> odconv.verify(checkpoint, "digits.pdparams").equal
    True
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from weights_converter.lazy_names import lazily

if TYPE_CHECKING:
    from odconv.attending import attend
    from odconv.demonstration.demo import demo
    from odconv.evaluation import evaluate
    from odconv.exporting.asking import ExportOptions
    from odconv.exporting.export import export
    from odconv.exporting.in_memory import export_onnx
    from odconv.prediction import predict
    from odconv_spec import list_models
    from odconv_spec.version import __version__
    from parity_tests.outputs.verify import verify_outputs
    from weights_converter import (
        ConverterError,
        Request,
        convert,
        diff,
        inspect,
        load_into,
        verify,
    )

_HOMES: Final[Mapping[str, str]] = {
    "__version__": "odconv_spec.version",
    "ConverterError": "weights_converter",
    "ExportOptions": "odconv.exporting.asking",
    "Request": "weights_converter",
    "attend": "odconv.attending",
    "convert": "weights_converter",
    "demo": "odconv.demonstration.demo",
    "diff": "weights_converter",
    "evaluate": "odconv.evaluation",
    "export": "odconv.exporting.export",
    "export_onnx": "odconv.exporting.in_memory",
    "inspect": "weights_converter",
    "list_models": "odconv_spec",
    "load_into": "weights_converter",
    "predict": "odconv.prediction",
    "verify": "weights_converter",
    "verify_outputs": "parity_tests.outputs.verify",
}
__all__ = [
    "ConverterError",
    "ExportOptions",
    "Request",
    "__version__",
    "attend",
    "convert",
    "demo",
    "diff",
    "evaluate",
    "export",
    "export_onnx",
    "inspect",
    "list_models",
    "load_into",
    "predict",
    "verify",
    "verify_outputs",
]


__getattr__, __dir__ = lazily(__name__, _HOMES)
