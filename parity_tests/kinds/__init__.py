"""The kinds of convolution that mix no bank of kernels: what is compared of each.

A kind has a file here and a row in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from odconv_spec import DynamicConvSpec, LinearSpec
from parity_tests.draw import Draw
from parity_tests.kinds import cgc, dcd, fdconv, kernel_warehouse, we, weightnet
from parity_tests.reference.kernel_warehouse import KWChainSpec

Spec: TypeAlias = DynamicConvSpec | LinearSpec | KWChainSpec
Row: TypeAlias = tuple[Spec, tuple[int, ...], float]
"""Spec, (batch, *map), temperature."""


class Kind(NamedTuple):
    """What is compared of a kind.

    Attributes:
        layers: chosen by hand, so that every option is seen in small.
        draw: a random layer and (batch, *map).
        golden: the spec of a golden file's configuration.
        paths: published path in a golden file -> canonical path.
    """

    layers: tuple[Row, ...] = ()
    draw: Callable[[Draw], tuple[Spec, tuple[int, ...]]] | None = None
    golden: Callable[[Mapping[str, Any]], Spec] | None = None
    paths: Mapping[str, str] = {}


KINDS: Final[Mapping[str, Kind]] = {
    "cgc": Kind(cgc.LAYERS, cgc.draw, cgc.golden),
    "dcd": Kind(dcd.LAYERS, dcd.draw, dcd.golden),
    "kernelwarehouse": Kind(
        kernel_warehouse.LAYERS, kernel_warehouse.draw, kernel_warehouse.golden
    ),
    "fdconv": Kind(fdconv.LAYERS, fdconv.draw, fdconv.golden, fdconv.PATHS),
    "we": Kind(we.LAYERS, we.draw, we.golden),
    "weightnet": Kind(weightnet.LAYERS, weightnet.draw, weightnet.golden, weightnet.PATHS),
}
