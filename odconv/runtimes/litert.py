"""LiteRT files, those of TensorFlow Lite, on the CPU. They have channels last."""

from __future__ import annotations

from pathlib import Path

from ai_edge_litert.interpreter import Interpreter

from odconv.runtimes.channels import outputs_to_first, shape_to_first, to_last
from odconv.runtimes.exported import Array, Images
from odconv.runtimes.sidecar import read_beside


class LitertFile:
    """See `Exported`."""

    def __init__(self, path: Path) -> None:
        interpreter = Interpreter(model_path=str(path))
        self._run = interpreter.get_signature_runner()
        ((self._name, entry),) = self._run.get_input_details().items()
        sizes = [int(n) if n > 0 else None for n in entry["shape_signature"]]
        self.shape = shape_to_first(sizes)
        self.metadata = read_beside(path)

    def run(self, images: Images) -> tuple[Array, ...]:
        return outputs_to_first(self._run(**{self._name: to_last(images)}))

    def close(self) -> None:
        del self._run


def open_file(path: Path) -> LitertFile:
    return LitertFile(path)
