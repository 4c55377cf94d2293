"""Loads a checkpoint into a model of one runtime and writes every layer's output for a probe.

    python -m parity_tests.outputs.worker RUNTIME REQUEST PROBE OUTPUTS

Started by `parity_tests.outputs.runs` in a process of its own.
"""

from __future__ import annotations

import sys

import numpy as np

from parity_tests.adapters import adapter_of
from parity_tests.problems import Problem
from parity_tests.processes import telling_what_is_missing
from weights_converter.arrays.dtypes import Array
from weights_converter.arrays.precision import numbers
from weights_converter.arrays.tensor import Tensor
from weights_converter.identify.model_arrays import temperature_of
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request

_DTYPE = "float32"  # of the computation, whatever dtype the file has


def main(runtime: str, request: str, probe: str, outputs: str) -> None:
    with telling_what_is_missing():
        adapter = adapter_of(runtime)
    weights = open_model(Request.from_json(request))
    arrays = {name: _converted(tensor) for name, tensor in weights.tensors.items()}
    with np.load(probe, allow_pickle=False) as file:
        images = file["probe"]  # (batch, channels, height, width)
    temperature = temperature_of(weights)
    problem = Problem(
        weights.spec,  # type: ignore[arg-type]  # the request's model is a spec, no manifest
        arrays,
        images,
        temperature=temperature,
        dtype=_DTYPE,
    )
    np.savez(outputs, **adapter.layer_outputs(problem))  # type: ignore[arg-type]


def _converted(tensor: Tensor) -> Array:
    return numbers(tensor.load(), tensor.dtype).astype(_DTYPE, copy=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
