"""The runtimes, a row each; a file is opened in the first one that takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Runtime:
    """A runtime of exported files.

    Attributes:
        name: as `--framework` and messages have it.
        suffixes: of the files that it takes; "/" is a folder.
        module: has `open_file(path)`, which gives an `Exported`.
        extra: of this package, which installs it.
    """

    name: str
    suffixes: tuple[str, ...]
    module: str
    extra: str


RUNTIMES: Final = (
    Runtime("onnxruntime", (".onnx",), "odconv.runtimes.onnxruntime", "export"),
    Runtime("openvino", (".xml", ".onnx"), "odconv.runtimes.openvino", "export"),
    Runtime("pt2", (".pt2",), "odconv.runtimes.pt2", "export"),
    Runtime("torchscript", (".torchscript",), "odconv.runtimes.torchscript", "export"),
    Runtime("saved_model", (".saved_model",), "odconv.runtimes.saved_model", "tensorflow"),
    Runtime("litert", (".tflite",), "odconv.runtimes.litert", "litert"),
    Runtime("paddle", (".pdiparams",), "odconv.runtimes.paddle", "paddle"),
)
NAMES: Final = tuple(runtime.name for runtime in RUNTIMES)
