"""Which of the maps that images pass through a network are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from odconv_keras.layers.data_format import from_channels_last
from odconv_spec import FeatureInfo


def maps_by_name(maps: Iterator[tuple[str, Any]], names: Sequence[str]) -> list[Any]:
    """The maps of those names, in their order; the rest is not computed."""
    found: dict[str, Any] = {}
    while not found.keys() >= set(names):
        name, value = next(maps)
        found |= {name: value} if name in names else {}
    return [found[name] for name in names]


def pyramid(infos: Sequence[FeatureInfo], maps: Mapping[str, Any], data_format: str) -> Any:
    """The maps of `feature_info`, "P3" for a stride of 2 ** 3."""
    return {
        f"P{info.stride.bit_length() - 1}": from_channels_last(maps[info.name], data_format)
        for info in infos
    }
