"""What the convolutions of a block share, as a layer of the block, and those of a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras

from odconv_keras.layers import Warehouse, build_shared
from odconv_keras.layers.spec_config import spec_from_config
from odconv_keras.models.graph import Layers, layer_name
from odconv_spec import BackboneSpec, ConvSpec, KWConvSpec, RoutingSpec, SharedSpec
from odconv_spec.warehouse import MANAGER


def add_shared(block: keras.layers.Layer, spec: SharedSpec | None) -> str:
    """Adds what the convolutions of a block share, and gives its name; "" where there is none."""
    if spec is None:
        return ""
    # Not in half precision, as the attentions of layers.
    layer = build_shared(spec, name=spec.name, dtype=block.variable_dtype)
    setattr(block, spec.name, layer)
    return spec.name


def block_from_config(config: Mapping[str, Any]) -> Any:
    """The spec of a block; files of earlier versions have a `routing` of CondConv in it."""
    if "routing" not in config:
        return spec_from_config(config)
    given = dict(config)
    routing = spec_from_config(given.pop("routing"))
    if routing is not None:
        first = (given.get("convs") or [given.get("project")])[0]
        start = first.get("head_init", RoutingSpec.head_init)
        routing = RoutingSpec(routing.in_channels, routing.out_channels, start)
        given["shared"] = {"spec": "RoutingSpec", **vars(routing)}
    return spec_from_config(given)


def warehouse_layers(spec: BackboneSpec, dtype: Any) -> dict[str, keras.layers.Layer]:
    """The cells that layers of the whole network share, a layer for each warehouse, by path."""
    found = spec.warehouses.warehouses if spec.warehouses else ()
    paths = [f"{MANAGER}.{number}" for number in range(len(found))]
    return {
        path: Warehouse(warehouse, name=layer_name(path), dtype=dtype)
        for path, warehouse in zip(paths, found, strict=True)
    }


def all_cells(at: Layers, x: Any) -> list[Any]:
    """The cells of each warehouse of a network; none where there are no warehouses."""
    return [layer(x) for path, layer in at.items() if path.startswith(f"{MANAGER}.")]


def warehouses_of(convs: Iterable[ConvSpec]) -> tuple[int, ...]:
    """The numbers of the warehouses that convolutions of a block take cells from."""
    return tuple(
        sorted({c.place.warehouse for c in convs if isinstance(c, KWConvSpec) and c.shares})
    )


def taken_by(
    conv: ConvSpec, shared: tuple[Any, ...], cells: Sequence[Any], numbers: Sequence[int]
) -> tuple[Any, ...]:
    """What a convolution is called with beside its map.

    Args:
        conv: its spec.
        shared: what its block shares, if there is something.
        cells: of the warehouses with these numbers.
        numbers: of warehouses.
    """
    own = warehouses_of([conv])
    return (cells[numbers.index(own[0])],) if own else shared


def cells_for(convs: Iterable[ConvSpec], cells: Sequence[Any]) -> tuple[list[Any], ...]:
    """What a block is called with beside its input: the cells of `warehouses_of`, if there are."""
    taken = [cells[number] for number in warehouses_of(convs)]
    return (taken,) if taken else ()
