"""Arrays that one framework stores beside a model's own and the others do not have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from odconv_spec import Parameter, Role
from odconv_spec.schedule import annealing_of
from weights_converter.arrays.dtypes import Array
from weights_converter.names.layouts import Layout, owner_of
from weights_converter.names.mixers import path_with_temperature

COUNTER: Final = "num_batches_tracked"
COMPANIONS: Final[Mapping[str, str]] = {  # what those of a layout are
    "torch": "the number of batches that torch alone counts",
    "keras": "the temperature, which Keras alone stores as an array",
    "tensorflow": "the temperature, which Keras alone stores as an array",
}


@dataclass(frozen=True)
class Companion:
    """An array with a value that serves where the source has none."""

    name: str
    default: Array


def companions(layout: Layout, parameters: Iterable[Parameter]) -> tuple[Companion, ...]:
    """What `layout` stores beside `parameters`, under the names that its files use.

    PyTorch counts the batches of each batch norm, which only momentum=None would use. Keras keeps
    the temperature of each layer, so that compiled functions see it change.
    """
    parameters = tuple(parameters)
    rest = np.full((), annealing_of(parameters).rest, np.float32)
    if layout.name == "torch":
        owners = [owner_of(p.name) for p in parameters if p.role is Role.NORM_MEAN]
        zero = np.zeros((), np.int64)
        return tuple(Companion(f"{owner}.{COUNTER}".lstrip("."), zero) for owner in owners)
    if layout.name == "keras":
        paths = sorted({path for p in parameters if (path := _mixer_in_keras(layout, p))})
        return tuple(Companion(f"{path}/vars/0", rest) for path in paths)
    if layout.name == "tensorflow":
        paths = sorted({path for p in parameters if (path := path_with_temperature(p.name))})
        return tuple(Companion(f"{path}.temperature", rest) for path in paths)
    return ()


def _mixer_in_keras(layout: Layout, parameter: Parameter) -> str:
    """Where a file keeps the mixer with a temperature that the array is in, "" if there is none.

    Keras' own files may have other paths than the model, but the same layers inside a mixer.
    """
    mixer = path_with_temperature(parameter.name)
    if not mixer:
        return ""
    inside = parameter.name.count(".") - mixer.count(".")  # layers and the array
    return layout.stored_name(parameter).rsplit("/", inside + 1)[0]  # .../vars/0
