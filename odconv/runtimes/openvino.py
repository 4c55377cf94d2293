"""OpenVINO's own files, and ONNX files, in OpenVINO on the CPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import openvino

from odconv.runtimes.exported import Array, Images

# A CPU with bfloat16 would use it otherwise, and differ from the source by a thousandth.
_EXACT = {"INFERENCE_PRECISION_HINT": "f32"}
_OF_ONNX = "framework"  # where a file that was read from ONNX has its metadata


class OpenvinoFile:
    """See `Exported`."""

    def __init__(self, path: Path) -> None:
        core = openvino.Core()
        model = core.read_model(str(path))
        self._compiled = core.compile_model(model, "CPU", _EXACT)
        self._request = self._compiled.create_infer_request()
        (entry,) = model.inputs
        self.shape = tuple(
            None if n.is_dynamic else n.get_length() for n in entry.get_partial_shape()
        )
        self.metadata = dict(_flat(model.rt_info))

    def run(self, images: Images) -> tuple[Array, ...]:
        found = self._request.infer([images], share_inputs=True)
        return tuple(found[output].copy() for output in self._compiled.outputs)

    def close(self) -> None:
        del self._request, self._compiled


def open_file(path: Path) -> OpenvinoFile:
    return OpenvinoFile(path)


def _flat(info: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Keys of nested metadata joined by dots, each with its value as a text."""
    for key, found in info.items():
        value = getattr(found, "value", found)
        if not isinstance(value, Mapping):
            yield f"{above}{key}", str(value)
        else:
            yield from _flat(value, above if key == _OF_ONNX else f"{above}{key}.")
