"""Reads a set of safetensors files by its index, as `save_pretrained` and the Hugging Face Hub do.

The index maps each array's name to one of the files beside it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from weights_converter.arrays.tensor import Checkpoint, Tensor
from weights_converter.errors import legible
from weights_converter.formats.files.array_names import check_name
from weights_converter.formats.files.budget import Budget
from weights_converter.formats.files.source import Source
from weights_converter.formats.files.strict_json import json_object
from weights_converter.formats.safetensors.read import arrays_in, assembled

_FIELDS = {"metadata", "weight_map"}
_MOST_FILES = 10_000
_OF_A_NAME, _OF_A_FILE = 2, 24  # objects that the budget counts them as


def read_index(source: Source, key: str | None) -> Checkpoint:
    """Every array of every file, in the order of the index.

    Raises:
        RefusedError: the index names files elsewhere, or its names are not those in the files.
        DamagedError: the index or a file is not what the format asks for.
        FileError: a file is missing.
    """
    source.refuse_key(key)
    index = json_object(source, source.read(0, source.size), "index")
    weight_map = index.get("weight_map")
    if set(index) - _FIELDS or type(weight_map) is not dict:
        raise source.damaged("it is not an index of safetensors files")
    files: dict[str, set[str]] = defaultdict(set)
    for name, file in weight_map.items():
        if not isinstance(file, str):
            raise source.damaged(f"it gives no file for {legible(name)}")
        files[file].add(check_name(source, name))
    source.budget.charge_objects(_OF_A_NAME * len(weight_map) + _OF_A_FILE * len(files))
    if len(files) > _MOST_FILES:
        raise source.refused(f"it names {len(files)} files")
    shards = {file: source.beside(file) for file in files}
    # One budget for all: thousands of files, each within its own, would be thousands of times that.
    budget = Budget(sum(shard.size for shard in shards.values()), source.refused)
    tensors: dict[str, Tensor] = {}
    metadata: dict[str, str] = {}
    for file, names in files.items():
        found, metadata = arrays_in(shards[file], budget)  # the same in each file that we write
        _check_names(source, file, names, set(found))
        tensors |= found
    ordered = {name: tensors[name] for name in weight_map}
    checkpoint = assembled(source, "safetensors-index", ordered, _text(index, metadata))
    return replace(checkpoint, files=tuple(shard.path for shard in shards.values()))


def _check_names(source: Source, file: str, expected: set[str], found: set[str]) -> None:
    for names, what in ((expected - found, "lacks"), (found - expected, "has more than it says:")):
        if names:
            raise source.refused(f"{legible(file)} {what} {legible(min(names))}")


def _text(index: dict[str, object], metadata: dict[str, str]) -> dict[str, str]:
    own = index.get("metadata", {})
    pairs = own.items() if isinstance(own, dict) else ()
    return metadata | {name: text for name, text in pairs if isinstance(text, str)}
