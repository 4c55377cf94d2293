"""How the outputs of layers are called."""

from __future__ import annotations

from weights_converter.arrays.dtypes import Array

WHOLE = "(output)"  # of the model itself


def record(found: dict[str, Array], path: str, array: Array) -> None:
    """Adds the output of the layer at `path`; that of its second call is called "path #2"."""
    name, calls = path or WHOLE, 1
    while name in found:
        calls += 1
        name = f"{path} #{calls}"
    found[name] = array
