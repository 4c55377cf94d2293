"""Loads a checkpoint into a model of one framework and writes what every layer gives for a probe.

Started by `weights_converter.outputs.runs` in a process of its own, because one process has one
Keras backend and the frameworks disturb each other.

    python -m weights_converter.outputs.child FRAMEWORK REQUEST PROBE OUTPUTS
"""

from __future__ import annotations

import sys
from importlib import import_module

import numpy as np

from weights_converter.arrays.dtypes import Array
from weights_converter.arrays.precision import numbers
from weights_converter.arrays.tensor import Tensor
from weights_converter.identify.model_arrays import temperature_of
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request
from weights_converter.live.arrays import assign


def main(framework: str, request: str, probe: str, outputs: str) -> None:
    adapter = import_module(f"weights_converter.live.{framework}_models")
    weights = open_model(Request.from_json(request))
    model = adapter.build(weights.spec)
    assign(model, {name: _in_float32(tensor) for name, tensor in weights.tensors.items()})
    adapter.set_temperature(model, temperature_of(weights))
    with np.load(probe, allow_pickle=False) as given:
        found = adapter.outputs(model, given["probe"])
    np.savez(outputs, **found)


def _in_float32(tensor: Tensor) -> Array:
    """The values in the dtype that the models are built in."""
    return numbers(tensor.load(), tensor.dtype).astype(np.float32, copy=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
