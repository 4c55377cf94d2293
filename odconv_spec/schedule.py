"""How the temperature of attentions falls in training."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Final, NamedTuple

from odconv_spec.geometry import real, whole
from odconv_spec.parameters import Parameter, Role

MOST_TEMPERATURE = 1e6


class Annealing(NamedTuple):
    """Which temperatures a kind of convolution has, and which it is published with.

    Attributes:
        start: of a training.
        end: of a training.
        epochs: after how many it is reached.
        rest: of a layer that nobody anneals.
        blends: whether it is a share between 0 and 1, by which the start stands in for the
            attention; otherwise it divides logits.
    """

    start: float
    end: float
    epochs: int
    rest: float
    blends: bool

    def check(self, temperature: float) -> None:
        """Raises ValueError where no layer can have it."""
        if self.blends:
            if not 0 <= temperature <= 1:
                raise ValueError(
                    f"temperature: expected a number in [0, 1], received {temperature!r}"
                )
        elif not (temperature > 0 and isfinite(temperature)):
            raise ValueError(f"temperature: expected a positive number, received {temperature!r}")

    def at(
        self, step: int, steps: int, start: float | None = None, end: float | None = None
    ) -> float:
        """The temperature after `step` steps: linear from `start` to `end`, then constant.

        Args:
            step: of the optimiser, counted from 0.
            steps: after how many the end is reached.
            start: None is as published; `end` likewise.

        Raises:
            ValueError: `step` is negative, `steps` is not positive, or a temperature is out of
                range.
        """
        first = self.start if start is None else start
        last = self.end if end is None else end
        if not self.blends:
            return linear_temperature(step, steps, first, last)
        self.check(first)
        self.check(last)
        return falling(step, steps, first, last)


SOFTEN: Final = Annealing(30.0, 1.0, 10, 1.0, blends=False)
"""Of ODConv and DyConv, and of networks without temperatures."""
BLEND: Final = Annealing(1.0, 0.0, 20, 0.0, blends=True)
"""Of KernelWarehouse."""


def annealing_of(parameters: Iterable[Parameter]) -> Annealing:
    """The annealing of a network with these arrays."""
    return BLEND if any(p.role is Role.CELLS for p in parameters) else SOFTEN


def check_annealing(steps: int, start: float | None, end: float | None) -> None:
    """Raises ValueError where no kind can anneal so, as long as its network is not known."""
    whole("steps", steps, 1)
    if start is not None:
        real("start", start, 0, MOST_TEMPERATURE)
    if end is not None and end != 0:  # where a blend ends
        real("end", end, 0, MOST_TEMPERATURE)


def linear_temperature(step: int, steps: int, start: float = 30.0, end: float = 1.0) -> float:
    """The temperature after `step` optimiser steps: linear from `start` to `end`, then constant.

    ODConv and DyConv are published with 30 to 1 over the first ten epochs, so that `steps` is ten
    times the number of batches of an epoch.

    Returns:
        The divisor of the attention logits.

    Raises:
        ValueError: `step` is negative, `steps` is not positive, or a temperature is not positive.

    Example:
        >>> [linear_temperature(step, steps=100) for step in (0, 50, 100, 150)]
        [30.0, 15.5, 1.0, 1.0]
    """
    real("start", start, 0, MOST_TEMPERATURE)
    real("end", end, 0, MOST_TEMPERATURE)
    return falling(step, steps, start, end)


def kw_temperature(step: int, steps: int, start: float = 1.0, end: float = 0.0) -> float:
    """The same for KernelWarehouse, where it is a share between 0 and 1.

    It is published with 1 to 0 over the first 20 epochs, or 15 of a MobileNetV2.

    Returns:
        By which share the cell that a mixture starts as stands in for the attention.

    Raises:
        ValueError: `step` is negative, `steps` is not positive, or a temperature is out of [0, 1].

    Example:
        >>> [kw_temperature(step, steps=100) for step in (0, 50, 100, 150)]
        [1.0, 0.5, 0.0, 0.0]
    """
    return BLEND.at(step, steps, start, end)


def falling(step: int, steps: int, start: float, end: float) -> float:
    """A line from `start` to `end` in so many steps, then constant."""
    whole("step", step, 0)
    whole("steps", steps, 1)
    return end + (start - end) * max(0, steps - step) / steps
