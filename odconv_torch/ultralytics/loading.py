"""Weights of one network of ultralytics for another: what is dynamic in both, in one or the other.

ultralytics loads what agrees in name and shape and leaves the rest as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import torch
from torch import nn
from ultralytics.nn import tasks

from odconv_spec import ConvSpec
from odconv_torch.layers import DynamicConv
from odconv_torch.layers.from_static import static_spec
from odconv_torch.ultralytics.building import dynamic_paths

_MOST_PATHS = 4  # in a message


def check_nothing_is_lost(network: nn.Module, source: nn.Module) -> None:
    """Raises ValueError if arrays of a dynamic convolution of `source` have no place."""
    ours, paths = dynamic_paths(network), dynamic_paths(source)
    folded = {"bias"} if isinstance(source, tasks.BaseModel) and source.is_fused() else set()
    lost = [path for path, layer in paths.items() if not _takes(ours.get(path), layer, folded)]
    if lost:
        raise ValueError(
            f"expected a model with the dynamic convolutions of the weights, received one that "
            f"lacks {len(lost)} of {len(paths)} or has them with other options: {_listed(lost)}; "
            "their weights would be lost. Name them in the rows of its YAML, or load the weights "
            "before you replace convolutions"
        )


def _takes(layer: DynamicConv | None, source: DynamicConv, without: set[str]) -> bool:
    """Whether the layer has an array for each of `source`, but for those of some names."""
    if type(layer) is not type(source):
        return False
    arrays, ours = source.state_dict(), layer.state_dict()
    names = arrays.keys() - without
    return names <= ours.keys() and all(ours[name].shape == arrays[name].shape for name in names)


def start_from_static(network: nn.Module, source: nn.Module) -> None:
    """Lets dynamic convolutions compute what the static ones of `source` at their paths do."""
    convs, started, left = dict(source.named_modules()), 0, []
    for path, layer in dynamic_paths(network).items():
        conv = convs.get(path)
        if type(conv) is nn.Conv2d and static_spec(conv) == _geometry(layer):
            try:
                _take(layer, conv)
                started += 1
            except ValueError as error:
                left.append(f"{path}: {error}")
    if started:
        tasks.LOGGER.info(f"Started {started} dynamic convolutions from static ones of the weights")
    if left:
        tasks.LOGGER.warning(
            f"{len(left)} dynamic convolutions keep random weights: {_listed(left)}"
        )


def source_of(weights: Mapping[str, Any] | nn.Module) -> nn.Module:
    """The network of which ultralytics takes the weights."""
    if isinstance(weights, nn.Module):
        return weights
    found: nn.Module = weights.get("ema") or weights["model"]
    return found


def _geometry(layer: DynamicConv) -> ConvSpec:
    return ConvSpec(**{f.name: getattr(layer.spec, f.name) for f in fields(ConvSpec)})


def _take(layer: DynamicConv, conv: nn.Conv2d) -> None:
    options = {f.name: getattr(layer.spec, f.name) for f in layer.spec.own_options()}
    with torch.no_grad():
        layer.load_state_dict(type(layer).from_static(conv, **options).state_dict())


def _listed(texts: list[str]) -> str:
    more = f"; and {len(texts) - _MOST_PATHS} more" if len(texts) > _MOST_PATHS else ""
    return "; ".join(texts[:_MOST_PATHS]) + more
