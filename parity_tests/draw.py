"""Random numbers and choices, from a generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from odconv_spec import ConvSpec


@dataclass(frozen=True)
class Draw:
    """What random options and shapes are drawn with."""

    generator: np.random.Generator

    def shape(self, spec: ConvSpec) -> tuple[int, ...]:
        """(batch, *map), with a map into which the kernel fits, often only just."""
        least = [
            max(1, reach * (taps - 1) + 1 - sum(pair))
            for taps, reach, pair in zip(spec.kernel, spec.dilations, spec.pads, strict=True)
        ]
        more = 0 if self.flag(0.2) else 5
        return (self.number(1, 3), *(size + self.number(0, more) for size in least))

    def number(self, low: int, high: int) -> int:
        """A whole number of [low, high]."""
        return int(self.generator.integers(low, high + 1))

    def flag(self, probability: float) -> bool:
        return bool(self.generator.random() < probability)

    def one_of(self, choices: Sequence[Any]) -> Any:
        return choices[self.number(0, len(choices) - 1)]

    def per_axis(self, rank: int, low: int, high: int) -> tuple[int, ...]:
        return tuple(self.number(low, high) for _ in range(rank))
