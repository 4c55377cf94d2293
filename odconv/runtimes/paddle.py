"""Paddle's inference models, on the CPU."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from paddle import inference

from odconv.runtimes.exported import Array, Images
from odconv.runtimes.sidecar import read_beside
from weights_converter.errors import FileError, legible

_PROGRAMS = (".json", ".pdmodel")  # of Paddle 3 and of earlier ones


class PaddleModel:
    """See `Exported`."""

    def __init__(self, path: Path) -> None:
        program = _program(path)
        config = inference.Config(str(program), str(path))
        config.disable_glog_info()
        config.disable_gpu()
        config.disable_mkldnn()  # slower on these graphs, and writes to standard output
        self._predictor = inference.create_predictor(config)
        (self._name,) = self._predictor.get_input_names()
        self.shape = _shape(program, self._name)
        self.metadata = read_beside(path)

    def run(self, images: Images) -> tuple[Array, ...]:
        self._predictor.get_input_handle(self._name).copy_from_cpu(np.ascontiguousarray(images))
        self._predictor.run()
        names = self._predictor.get_output_names()
        return tuple(self._predictor.get_output_handle(name).copy_to_cpu() for name in names)

    def close(self) -> None:
        del self._predictor


def open_file(path: Path) -> PaddleModel:
    return PaddleModel(path)


def _program(path: Path) -> Path:
    """The file with the graph, beside that of the arrays."""
    for suffix in _PROGRAMS:
        if path.with_suffix(suffix).is_file():
            return path.with_suffix(suffix)
    raise FileError(
        f"{legible(path.name)}: its graph, {legible(path.stem)}{' or '.join(_PROGRAMS)}, is not "
        "beside it"
    )


def _shape(program: Path, entry: str) -> tuple[int | None, ...]:
    """The shape of an input, which a predictor tells only once it has run.

    Args:
        program: a graph of Paddle 3, a JSON file; of those of earlier ones nothing is known.
        entry: the name of the input.
    """
    if program.suffix != ".json":
        return (None,) * 4
    (region,) = json.loads(program.read_text(encoding="utf-8"))["program"]["regions"]
    for operation in region["blocks"][0]["ops"]:
        attributes = operation["A"]
        if all(isinstance(attribute, dict) for attribute in attributes):
            table = {attribute["N"]: attribute["AT"].get("D") for attribute in attributes}
            if table.get("name") == entry and "shape" in table:
                return tuple(n if n > 0 else None for n in table["shape"])
    return (None,) * 4
