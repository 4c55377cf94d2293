"""How the outputs of layers are named."""

from __future__ import annotations

from weights_converter.arrays.dtypes import Array

WHOLE = "(output)"  # of the model itself


def record(outputs: dict[str, Array], path: str, array: Array) -> None:
    """Adds the output of the layer at `path`; that of its second call is named "path #2"."""
    name, calls = path or WHOLE, 1
    while name in outputs:
        calls += 1
        name = f"{path} #{calls}"
    outputs[name] = array
