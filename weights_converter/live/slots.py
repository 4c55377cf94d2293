"""A place in a live model that holds one array."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from odconv_spec import Parameter, Role
from weights_converter.arrays.dtypes import Array
from weights_converter.errors import MismatchError
from weights_converter.names.layouts import TORCH, Layout


@dataclass(frozen=True)
class Slot:
    """One array of a live model: what it is, and how to get and set it in canonical axes."""

    parameter: Parameter
    dtype: str
    read: Callable[[], Array]
    write: Callable[[Array], None]


@dataclass(frozen=True)
class Variable:
    """One array as its framework gives it: where it hangs, what for, and how to get and set it.

    `handle` is the framework's own object, by which optimisers and gradients know the array.
    """

    owner: str
    role: Role
    shape: tuple[int, ...]
    dtype: str
    handle: Any
    get: Callable[[], Array]
    set: Callable[[Array], Any]

    @property
    def name(self) -> str:
        """The canonical name."""
        return TORCH.file_name(self.owner, self.role)

    def slot(self, layout: Layout) -> Slot:
        role = self.role
        shape = layout.canonical_shape(role, self.shape)
        return Slot(
            Parameter(self.name, role, shape),
            self.dtype,
            read=lambda: layout.to_canonical(role, self.get()),
            write=lambda array: self.set(layout.to_stored(role, array)),
        )


def inside(layer: Any, path: str) -> Any:
    """What an attribute, or a path of them, leads to; None where it leads nowhere."""
    found = layer
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


def collect(variables: Iterable[Variable], layout: Layout) -> dict[str, Slot]:
    """The slots by canonical name. Raises MismatchError where two arrays share a name."""
    found: dict[str, Slot] = {}
    for slot in (variable.slot(layout) for variable in variables):
        if slot.parameter.name in found:
            raise MismatchError(f"two arrays of the model are named {slot.parameter.name}")
        found[slot.parameter.name] = slot
    return found


def refuse_strangers(names: list[str]) -> None:
    """Raises MismatchError if there is an array that no role fits."""
    if names:
        raise MismatchError(
            f"{len(names)} arrays belong to layers without a canonical form: {names[:6]}",
            help="known are our layers, convolutions, batch norms and linear layers",
        )
