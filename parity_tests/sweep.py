"""Random layers: every kind, rank, geometry and option, each from a seed and a number.

Of ten, one scales a map, three are of the kinds of `kinds/`, and the others mix kernels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from odconv_spec import (
    CBAMSpec,
    CondConvSpec,
    DyConvSpec,
    DynamicConvSpec,
    EfficientChannelAttentionSpec,
    ODConvSpec,
    RecalibrationSpec,
    SqueezeExcitationSpec,
)
from odconv_spec.od_conv import ATTENTIONS
from odconv_spec.schedule import annealing_of
from parity_tests.draw import Draw
from parity_tests.kinds import KINDS
from parity_tests.layer_cases import layer_problem
from parity_tests.problems import Case, Problem


@dataclass(frozen=True)
class Sweep:
    """`count` layers of one seed."""

    seed: int = 0
    count: int = 300


USUAL = Sweep()
_OF_OTHER_KINDS = (6, 7, 8)
DRAWN = tuple(kind.draw for kind in KINDS.values() if kind.draw)


def sweep_cases(sweep: Sweep) -> Iterator[Case]:
    for number in range(sweep.count):
        name = f"{sweep.seed}-{number:03d}"
        yield Case("sweep", name, "float64", partial(_problem, sweep.seed, number))


def _problem(seed: int, number: int) -> Problem:
    draw = LayerDraw(np.random.default_rng((seed, number)))
    temperature = float(np.exp(draw.generator.uniform(0, np.log(30))))
    if number % 10 in _OF_OTHER_KINDS and DRAWN:
        spec, map_size = DRAWN[number // 10 % len(DRAWN)](draw)
        if annealing_of(spec.parameters()).blends:
            temperature = draw.generator.uniform(0, 1)
        return layer_problem(number, spec, map_size, temperature, training=draw.flag(0.6))
    if number % 10 == 9:
        scaling, map_size = draw.recalibration()
        return layer_problem(number, scaling, map_size, 1.0, training=draw.flag(0.6))
    spec = draw.spec()
    return layer_problem(number, spec, draw.shape(spec), temperature, training=draw.flag(0.6))


class LayerDraw(Draw):
    """Random layers that mix kernels or scale maps; the others have their own, in `kinds/`."""

    def spec(self) -> DynamicConvSpec:
        kind, options = self.one_of((self._od, self._dy, self._cond))()
        rank = self.one_of((1, 2, 2, 3))
        groups = self.one_of((1, 1, 2, 3))
        depthwise = self.flag(0.2)
        inputs = groups * self.number(1, 5)
        outputs = inputs if depthwise or self.flag(0.2) else groups * self.number(1, 5)
        kernel = self.per_axis(rank, 1, 4 if rank < 3 else 3)
        same = self.flag(0.15)
        pairs = tuple((self.number(0, 2), self.number(0, 2)) for _ in range(rank))
        spec: DynamicConvSpec = kind(
            in_channels=inputs,
            out_channels=outputs,
            kernel_size=kernel,
            stride=1 if same else self.per_axis(rank, 1, 3),
            padding="same" if same else self.one_of((pairs, self.number(0, 2))),
            dilation=self.per_axis(rank, 1, 2),
            groups=inputs if depthwise else groups,
            bias=self.flag(0.5),
            rank=rank,
            **options,
        )
        return spec

    def recalibration(self) -> tuple[RecalibrationSpec, tuple[int, ...]]:
        """A layer, and (batch, *map)."""
        channels, rank = self.number(1, 24), self.number(1, 3)
        reduction = self.number(1, channels)
        hidden = self.one_of((None, None, self.number(1, 9)))
        widths = {"channels": channels, "reduction": reduction, "hidden_channels": hidden}
        spec: RecalibrationSpec = self.one_of(
            (
                SqueezeExcitationSpec(**widths, bias=self.flag(0.5)),
                CBAMSpec(
                    **widths,
                    mlp_bias=self.flag(0.5),
                    spatial=self.flag(0.6),
                    kernel_size=self.one_of((1, 3, 5, 7)),
                    rank=rank,
                ),
                EfficientChannelAttentionSpec(
                    channels=channels, kernel_size=self.one_of((None, 1, 3, 5, 7))
                ),
            )
        )
        return spec, (self.number(1, 3), *self.per_axis(rank, 1, 7))

    def _od(self) -> tuple[type[ODConvSpec], dict[str, Any]]:
        chosen = tuple(name for name in ATTENTIONS if self.flag(0.7))
        return ODConvSpec, {
            "kernel_num": self.number(1, 4) if "kernel" in chosen else 1,
            "reduction": self.one_of((0.0625, 0.25, 1.0)),
            "min_channels": self.number(1, 16),
            "attentions": chosen,
            "spatial_activation": self.one_of(("sigmoid", "softmax")),
            "attention_sharing": self.flag(0.6),
            "norm": self.one_of(("batch", "batch", "layer", "none")),
        }

    def _dy(self) -> tuple[type[DyConvSpec], dict[str, Any]]:
        return DyConvSpec, {
            "kernel_num": self.number(1, 5),
            "reduction": self.one_of((0.25, 0.5)),
            "hidden_rule": self.one_of(("paper", "plus_one")),
            "hidden_channels": self.one_of((None, None, self.number(1, 6))),
            "fc1_bias": self.flag(0.5),
            "fc2_bias": self.flag(0.7),
        }

    def _cond(self) -> tuple[type[CondConvSpec], dict[str, Any]]:
        return CondConvSpec, {"kernel_num": self.number(1, 8), "mix_bias": self.flag(0.7)}
