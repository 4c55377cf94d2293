"""How a set of safetensors files looks: the names and the index of the Hugging Face Hub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from weights_converter.formats.destinations.shard_format import Groups, ShardFormat


def _name(stem: str, number: int, count: int) -> str:
    return f"{stem}-{number + 1:05}-of-{count:05}.safetensors"


def _index(groups: Groups, metadata: Mapping[str, str]) -> str:
    total = sum(tensor.nbytes for group in groups.values() for tensor in group)
    index = {
        "metadata": {**dict(sorted(metadata.items())), "total_size": total},
        "weight_map": {tensor.name: file for file, group in groups.items() for tensor in group},
    }
    return json.dumps(index, indent=2) + "\n"


SHARDS: Final = ShardFormat(
    index_ending=".safetensors.index.json",
    shard_name=_name,
    shard_pattern=r"-\d{5,}-of-\d{5,}\.safetensors",
    token_mark="-",
    index=_index,
)
