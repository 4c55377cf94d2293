"""Where a layer finds its arrays during a pass, and where it leaves what the pass reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy.typing as npt

from odconv_spec import Parameter
from parity_tests.reference.tape import Array, Value


@dataclass(frozen=True)
class Scope:
    """The arrays under a path of the model. All scopes of a pass report to the same two tables.

    `attentions` is keyed by the path of the layer, `statistics` by the name of the array. `shared`
    is what the convolutions of a block share, (batch, features).
    """

    arrays: Mapping[str, Value]
    training: bool = False
    temperature: float = 1.0
    path: str = ""
    shared: Value | None = None
    attentions: dict[str, dict[str, Value]] = field(default_factory=dict)
    statistics: dict[str, Array] = field(default_factory=dict)

    def under(self, name: str) -> Scope:
        return replace(self, path=self.full(name))

    @property
    def of_block(self) -> Value:
        """What the block shares. Raises ValueError outside a block that shares something."""
        if self.shared is None:
            raise ValueError(f"{self.path or 'the layer'}: expected what a block shares")
        return self.shared

    def top(self) -> Scope:
        """The scope of the whole model."""
        return replace(self, path="")

    def full(self, name: str) -> str:
        """The full name of something in this scope."""
        return f"{self.path}.{name}" if self.path else name

    def __getitem__(self, name: str) -> Value:
        return self.arrays[self.full(name)]


def values_of(
    parameters: Iterable[Parameter], arrays: Mapping[str, npt.ArrayLike], *, gradients: bool
) -> dict[str, Value]:
    """The arrays as values; with `gradients`, the trainable ones are variables.

    Raises:
        ValueError: an array is missing, unknown or of another shape.
    """
    wanted = {parameter.name: parameter for parameter in parameters}
    if odd := sorted(wanted.keys() ^ arrays.keys()):
        raise ValueError(f"arrays: expected those of the spec; missing or unknown: {odd}")
    values = {
        name: Value(arrays[name], variable=gradients and parameter.role.trainable)
        for name, parameter in wanted.items()
    }
    for name, value in values.items():
        if value.shape != wanted[name].shape:
            raise ValueError(f"{name}: expected {wanted[name].shape}, received {value.shape}")
    return values


def gradients_of(values: Mapping[str, Value], gradients: Mapping[Value, Array]) -> dict[str, Array]:
    """The gradient of every variable among the values, by name."""
    return {name: gradients[value] for name, value in values.items() if value.differentiable}
