"""KernelWarehouse: layers with cells of their own, and chains of layers that share some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from odconv_spec import KWConvSpec, KWLinearSpec, share_warehouses
from parity_tests.draw import Draw
from parity_tests.reference.kernel_warehouse import KWChainSpec

_OPTIONS = ("reduction", "cell_num_ratio", "cell_inplane_ratio", "cell_outplane_ratio")
_PLANES = {"cell_inplane_ratio": 0.5, "cell_outplane_ratio": 0.5}


def _kw(widths: tuple[int, int], kernel_size: Any, **options: Any) -> KWConvSpec:
    inputs, out = widths
    return KWConvSpec(in_channels=inputs, out_channels=out, kernel_size=kernel_size, **options)


def chain(*layers: KWConvSpec) -> KWChainSpec:
    """The layers one after another, with the warehouses that they name."""
    return KWChainSpec(*share_warehouses(layers))


# One warehouse "a" for a pair whose widths have a common divisor, with options of the pair.
def _pair(first: dict[str, Any], second: dict[str, Any], **options: Any) -> KWChainSpec:
    named = {"warehouse": "a", **options}
    return chain(_kw((8, 12), 3, **first, **named), _kw((12, 20), 1, **second, **named))


LAYERS = (
    (_kw((5, 7), 3, padding=1), (3, 6, 9), 0.0),
    (_kw((6, 6), (3, 5), padding=(1, 2), bias=True), (2, 7, 9), 0.3),
    (_kw((8, 12), 3, groups=4, stride=(1, 2), padding=((1, 2), (0, 3))), (2, 9, 8), 1.0),
    (_kw((6, 6), 3, groups=6, padding=1, stride=2), (3, 8, 7), 0.5),
    (_kw((4, 9), 1, cell_num_ratio=3.0, reduction=0.5), (2, 5, 4), 0.2),
    (_kw((8, 4), (2, 1), cell_num_ratio=0.5, **_PLANES), (2, 5, 4), 0.7),
    (_kw((8, 8), 3, padding=1, spatial_partition=False, **_PLANES), (3, 4, 5), 0.0),
    (_kw((5, 7), 3, padding=1), (1, 6, 9), 0.25),  # one sample: running statistics in training
    (_kw((4, 6), 3, rank=1, stride=2, padding=2, bias=True), (3, 8), 0.1),
    (_kw((4, 6), (2, 1, 3), rank=3, padding=((1, 0), (0, 0), (1, 1))), (2, 3, 4, 5), 0.6),
    (_pair({"padding": 1}, {"bias": True}), (4, 5, 6), 0.4),
    (_pair({"groups": 2}, {}, cell_num_ratio=2.0, nonlocal_basis_ratio=0.25), (3, 5, 6), 0.0),
    (_pair({}, {"groups": 4}, nonlocal_basis_ratio=0.5), (1, 4, 5), 0.3),
    (KWLinearSpec(12, 6, True, 2.0, 0.5, 0.25, 0.5), (3,), 0.4),
    (KWLinearSpec(9, 5, False, cell_num_ratio=2.0), (1,), 0.2),  # running statistics
)


def draw(draw: Draw) -> tuple[KWConvSpec | KWChainSpec, tuple[int, ...]]:
    """A layer with cells of its own, or three that share two warehouses."""
    rank = draw.one_of((1, 2, 2, 3))
    options = {
        "reduction": draw.one_of((0.0625, 0.5, 2.0)),
        "cell_num_ratio": float(draw.one_of((1, 1, 2, 3))),
        "nonlocal_basis_ratio": draw.one_of((1.0, 0.0625, 0.3)),
        "rank": rank,
    }
    if draw.flag(0.4):
        return _layer(draw, draw.number(1, 9), options), _map(draw, rank)
    first = _layer(draw, draw.number(1, 9), {**options, "warehouse": "a"})
    second = _layer(draw, first.out_channels, {**options, "warehouse": "b"})
    third = _layer(draw, second.out_channels, {**options, "warehouse": "a"})
    return chain(first, second, third), _map(draw, rank)


def _layer(draw: Draw, inputs: int, options: Mapping[str, Any]) -> KWConvSpec:
    groups = draw.one_of((1, 1, inputs))
    outputs = groups * draw.number(1, 3) if groups > 1 else draw.number(1, 8)
    kernel = draw.per_axis(options["rank"], 1, 3)
    return _kw(
        (inputs, outputs),
        kernel,
        padding=tuple(taps // 2 for taps in kernel),
        stride=draw.per_axis(options["rank"], 1, 2),
        groups=groups,
        bias=draw.flag(0.5),
        **options,
    )


def _map(draw: Draw, rank: int) -> tuple[int, ...]:
    """(batch, *map)"""
    return (draw.number(1, 3), *draw.per_axis(rank, 3, 7))


def golden(config: Mapping[str, Any]) -> KWChainSpec:
    """The chain of a golden file, whose warehouses are those of fused names."""
    manager = config["manager"]
    ratios = {
        name: manager[name] for name in (*_OPTIONS, "nonlocal_basis_ratio") if name in manager
    }
    return chain(
        *(_golden_layer(layer, ratios, manager["sharing_range"]) for layer in config["layers"])
    )


def _golden_layer(
    layer: Mapping[str, Any], ratios: Mapping[str, Any], sharing: Sequence[str]
) -> KWConvSpec:
    options = {
        k: v
        for k, v in layer.items()
        if k not in ("in_planes", "out_planes", "kernel_size", "warehouse_name")
    }
    parts = layer["warehouse_name"].split("_")
    fused = [next((name for name in sharing if part.startswith(name)), part) for part in parts]
    return _kw(
        (layer["in_planes"], layer["out_planes"]),
        layer["kernel_size"],
        **options,
        **ratios,
        warehouse="_".join(fused),
    )
