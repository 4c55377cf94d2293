"""ONNX files in ONNX Runtime, on the CPU."""

from __future__ import annotations

from pathlib import Path

import onnxruntime

from odconv.runtimes.exported import Array, Images

_ERRORS_ONLY = 3


class OnnxFile:
    """See `Exported`."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        (entry,) = self._session.get_inputs()
        self._name = entry.name
        self.shape = tuple(n if isinstance(n, int) else None for n in entry.shape)
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map

    def run(self, images: Images) -> tuple[Array, ...]:
        return tuple(self._session.run(None, {self._name: images}))

    def close(self) -> None:
        del self._session


def open_file(path: Path) -> OnnxFile:
    return OnnxFile(path)
