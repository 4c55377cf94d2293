"""Layers chosen by hand, so that every option is seen in small."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from odconv_spec import (
    CBAMSpec,
    CondConvSpec,
    ConvSpec,
    DyConvSpec,
    EfficientChannelAttentionSpec,
    LinearSpec,
    ODConvSpec,
    RecalibrationSpec,
    SqueezeExcitationSpec,
)
from odconv_spec.choice import KINDS, dynamic_kinds
from parity_tests.kinds import KINDS as OTHER_KINDS
from parity_tests.kinds import Spec as OtherSpec
from parity_tests.problems import Case, Problem
from parity_tests.reference import evaluate, random_arrays
from parity_tests.reference.kernel_warehouse import KWChainSpec

Row: TypeAlias = tuple[OtherSpec | RecalibrationSpec, tuple[int, ...], float]


def _spec(kind: type[Any], widths: tuple[int, int], kernel_size: Any, **options: Any) -> Any:
    return kind(in_channels=widths[0], out_channels=widths[1], kernel_size=kernel_size, **options)


_od = partial(_spec, ODConvSpec)
_dy = partial(_spec, DyConvSpec)
_cond = partial(_spec, CondConvSpec)
_EVERY_AXIS = {"stride": (1, 2), "dilation": (2, 1), "padding": ((1, 2), (0, 3))}

# Unequal and equal widths, non-square kernels and maps, every option, temperatures of an annealing.
_LAYERS: tuple[Row, ...] = (
    # spec, (batch, *map), temperature
    (_od((5, 7), 3, padding=1), (3, 6, 9), 1.0),
    (_od((6, 6), (3, 5), padding=(1, 2)), (2, 7, 9), 3.0),
    (_od((8, 12), 3, groups=4, kernel_num=3, **_EVERY_AXIS), (2, 9, 8), 30.0),
    (_od((6, 6), 3, groups=6, padding=1, stride=2, bias=True), (3, 8, 7), 4.5),
    (_od((4, 4), 1, kernel_num=2), (2, 5, 4), 1.0),
    (_od((4, 9), 1, kernel_num=1), (2, 5, 4), 2.0),
    (_od((6, 6), 1, kernel_num=1, groups=6), (2, 5, 4), 2.0),
    (_od((1, 1), 3, padding=1), (2, 4, 5), 1.0),
    (_od((32, 8), 3, reduction=0.25, min_channels=4, bias=True, padding="same"), (2, 5, 6), 1.0),
    (_od((5, 7), 3, padding=1), (1, 6, 9), 1.0),  # one sample: running statistics in training
    (_od((3, 4), 3, padding=1), (1, 1, 1), 1.0),
    (_od((4, 6), 3, attentions=("spatial", "kernel"), kernel_num=2), (2, 5, 4), 2.0),
    (_od((4, 6), 3, attentions=("channel",), kernel_num=1), (2, 5, 4), 2.0),
    (
        _od((4, 4), 3, attentions=("filter",), kernel_num=1, groups=4),
        (2, 5, 4),
        1.0,
    ),  # none is left
    (_od((4, 6), (2, 3), spatial_activation="softmax"), (3, 5, 4), 3.0),
    (_od((4, 6), (2, 3), groups=2, attention_sharing=False, kernel_num=3), (3, 5, 4), 2.0),
    (
        _od((6, 6), 3, groups=6, attention_sharing=False, spatial_activation="softmax", bias=True),
        (2, 5, 4),
        2.0,
    ),
    (_od((4, 6), 3, norm="layer"), (3, 5, 4), 2.0),
    (_od((4, 6), 3, norm="layer"), (1, 3, 4), 1.0),
    (_od((4, 6), 3, norm="none"), (3, 5, 4), 2.0),
    (_od((4, 6), 3, rank=1, stride=2, padding=2, bias=True), (3, 8), 2.0),
    (_od((4, 6), (2, 1, 3), rank=3, padding=((1, 0), (0, 0), (1, 1))), (2, 3, 4, 5), 2.0),
    (_dy((8, 6), 3, padding=1, bias=True), (3, 6, 7), 3.0),
    (_dy((8, 12), 3, groups=4, kernel_num=3, **_EVERY_AXIS), (2, 9, 8), 30.0),
    (_dy((6, 6), (3, 2), groups=6, stride=2, bias=True, fc1_bias=True), (2, 7, 8), 1.0),
    (_dy((3, 5), 1, hidden_rule="plus_one", fc2_bias=False), (2, 5, 4), 1.0),
    (_dy((1, 1), 3, padding=1, bias=True, hidden_channels=5), (1, 1, 1), 2.0),
    (_dy((5, 4), 3, rank=1, padding="same", bias=True), (2, 7), 2.0),
    (_dy((5, 4), (1, 2, 3), rank=3, bias=True, kernel_num=2), (2, 3, 4, 5), 2.0),
    (_cond((8, 6), 3, padding=1, bias=True), (3, 6, 7), 1.0),
    (_cond((8, 12), 3, groups=4, kernel_num=3, **_EVERY_AXIS), (2, 9, 8), 1.0),
    (_cond((6, 6), 3, groups=6, stride=2, bias=True, mix_bias=False), (2, 7, 8), 1.0),
    (_cond((1, 1), 1, kernel_num=1), (1, 1, 1), 1.0),
    (_cond((5, 4), 3, rank=1, padding="same", bias=True), (2, 7), 1.0),
    (_cond((5, 4), (1, 2, 3), rank=3, bias=True, kernel_num=2), (2, 3, 4, 5), 1.0),
    (SqueezeExcitationSpec(channels=17), (3, 6, 9), 1.0),
    (SqueezeExcitationSpec(channels=9, reduction=2, bias=True), (1, 4), 1.0),
    (SqueezeExcitationSpec(channels=5, hidden_channels=7), (2, 2, 3, 4), 1.0),
    (CBAMSpec(channels=17), (3, 6, 9), 1.0),
    (CBAMSpec(channels=6, reduction=3, mlp_bias=False, rank=1, kernel_size=5), (2, 9), 1.0),
    (CBAMSpec(channels=4, reduction=2, rank=3, kernel_size=3), (1, 2, 4, 3), 1.0),
    (CBAMSpec(channels=4, hidden_channels=3), (1, 1, 1), 1.0),  # running statistics in training
    (CBAMSpec(channels=4, reduction=1, spatial=False), (2, 3, 4), 1.0),
    (EfficientChannelAttentionSpec(channels=7), (3, 6, 9), 1.0),
    (EfficientChannelAttentionSpec(channels=6, kernel_size=9), (1, 4), 1.0),
    (EfficientChannelAttentionSpec(channels=5, kernel_size=1), (2, 2, 3, 4), 1.0),
)

# Of each kind that an installed package brings, with its own defaults.
_GEOMETRIES: tuple[tuple[dict[str, Any], tuple[int, ...]], ...] = (
    ({"kernel_size": 3, "padding": 1, "bias": True}, (3, 6, 9)),
    ({"kernel_size": (3, 5), "groups": 2, "kernel_num": 3, **_EVERY_AXIS}, (2, 9, 12)),
    ({"kernel_size": 1, "kernel_num": 2}, (2, 5, 4)),
    ({"kernel_size": 3, "rank": 1, "padding": "same", "bias": True}, (2, 7)),
    ({"kernel_size": (1, 2, 3), "rank": 3, "kernel_num": 2}, (2, 3, 4, 5)),
)


def layer_cases() -> Iterator[Case]:
    for name, number, row in _named_rows():
        for dtype in ("float64", "float32"):
            for training in (False, True):
                make = partial(layer_problem, number, *row, training, dtype)
                yield Case("layer", f"{name}-{'train' if training else 'eval'}", dtype, make)


def _named_rows() -> Iterator[tuple[str, int, Row]]:
    """Name, seed and row of every layer."""
    for number, row in enumerate(_LAYERS):
        yield f"{number:02d}", number, row
    for name, chosen in OTHER_KINDS.items():
        for number, other in enumerate(chosen.layers):
            yield f"{name}-{number:02d}", number, other
    for kind in dynamic_kinds():
        if kind.kind not in KINDS:
            for number, (options, shape) in enumerate(_GEOMETRIES):
                spec = kind(in_channels=8, out_channels=6, **options)
                yield f"{kind.kind}-{number:02d}", number, (spec, shape, 2.0)


def layer_problem(
    seed: int,
    spec: ConvSpec | LinearSpec | RecalibrationSpec | KWChainSpec,
    shape: tuple[int, ...],
    temperature: float,
    training: bool,
    dtype: str = "float64",
) -> Problem:
    """A pass forwards and backwards through a layer; `shape` is (batch, *map)."""
    generator = np.random.default_rng(seed)
    arrays = random_arrays(spec.parameters(), seed, dtype)
    batch, *size = shape
    channels = spec.width if isinstance(spec, RecalibrationSpec) else spec.in_channels
    x = generator.standard_normal((batch, channels, *size)).astype(dtype)
    grad_output = generator.standard_normal(evaluate(spec, arrays, x).output.shape).astype(dtype)
    return Problem(spec, arrays, x, training, temperature, grad_output, dtype=dtype)
