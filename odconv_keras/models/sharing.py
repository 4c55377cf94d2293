"""What the convolutions of a block share, as a layer of the block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from odconv_keras.layers import build_shared
from odconv_keras.layers.spec_config import spec_from_config
from odconv_spec import RoutingSpec, SharedSpec


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
