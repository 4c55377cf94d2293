"""How a set of `.weights.h5` files looks: the names and the index of Keras."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from weights_converter.formats.destinations.shard_format import Groups, ShardFormat
from weights_converter.formats.keras.read_shards import MAP
from weights_converter.formats.keras.write import KerasWriter


def _name(stem: str, number: int, count: int) -> str:
    return f"{stem}_{number:05}.weights.h5"


def _index(groups: Groups, metadata: Mapping[str, str]) -> str:
    """Without the metadata, which each of the files has."""
    places: dict[str, list[str]] = {}
    for file, group in groups.items():
        for tensor in group:
            names = places.setdefault(f"/{tensor.name}".rpartition("/")[0], [])
            if file not in names:
                names.append(file)
    size = sum(tensor.nbytes for group in groups.values() for tensor in group)
    return json.dumps({"metadata": {"total_size": size}, MAP: places}, indent=4) + "\n"


def _write_empty(path: Path) -> None:
    """A file without arrays."""
    KerasWriter(path, (), {}).close({})


SHARDS: Final = ShardFormat(
    index_ending=".weights.json",
    shard_name=_name,
    shard_pattern=r"_\d{5,}\.weights\.h5",
    token_mark="_",
    index=_index,
    placeholder=_write_empty,  # Keras opens the first file before it reads the index
)
