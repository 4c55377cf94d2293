"""Reads the sharded weights of Keras: `name.weights.json` and the HDF5 files that it lists.

The arrays of one layer may be in several files. Keras joins the names of the files to the folder
of the index without a look at them; here they must be files of that folder.
"""

from __future__ import annotations

from collections import defaultdict

from weights_converter.arrays.tensor import Checkpoint, Tensor
from weights_converter.errors import legible
from weights_converter.formats.files.source import Source
from weights_converter.formats.files.strict_json import json_object
from weights_converter.formats.hdf5.arrays import tensors
from weights_converter.formats.hdf5.file import Hdf5
from weights_converter.formats.hdf5.text import text_attributes
from weights_converter.formats.keras.read import layers_only

FORMAT = "keras-index"
MAP = "weight_map"
_MOST_FILES = 10_000


def read_shards(source: Source, key: str | None) -> Checkpoint:
    """Every array of the layers, whichever file it is in; see `read_keras` for the names.

    Raises:
        FileError: a file that the index lists is not there.
        RefusedError: the index and the files contradict each other, or a file is refused.
        DamagedError: the index is not what Keras writes, or a file is damaged.
    """
    source.refuse_key(key)
    places = _places(source)
    files: dict[str, set[str]] = defaultdict(set)
    for group, names in places.items():
        for name in names:
            files[name].add(group)
    if len(files) > _MOST_FILES:
        raise source.refused(f"it names {len(files)} files")
    sources = {name: source.beside(name) for name in files}
    found: dict[str, Tensor] = {}
    metadata: dict[str, str] = {}
    for name, groups in files.items():
        arrays, metadata = _arrays_in(sources[name])  # the same in each file that we write
        _check_groups(source, name, groups, {_group(path) for path in arrays})
        twice = found.keys() & arrays.keys()
        if twice:
            raise source.refused(f"two of its files have an array {legible(min(twice))}")
        found |= arrays
    ranks = {group: rank for rank, group in enumerate(places)}
    ordered = sorted(found, key=lambda path: (ranks[_group(path)], len(path), path))
    kept, notes = layers_only(source, {path: found[path] for path in ordered})
    paths = tuple(file.path for file in sources.values())
    return Checkpoint(source.path, FORMAT, "keras", kept, metadata, {}, notes, files=paths)


def _places(source: Source) -> dict[str, list[str]]:
    """Group of arrays -> names of the files that have some of them."""
    listed = json_object(source, source.read(0, source.size), "index").get(MAP)
    if not isinstance(listed, dict):
        raise source.damaged(f"its index has no {MAP}")
    places = {
        group: names if isinstance(names, list) else [names] for group, names in listed.items()
    }
    for group, names in places.items():
        if not names or not all(isinstance(name, str) for name in names):
            raise source.damaged(f"its {MAP} gives no file for {legible(group)}")
    return places


def _arrays_in(source: Source) -> tuple[dict[str, Tensor], dict[str, str]]:
    hdf5 = Hdf5.whole(source)
    with hdf5.open() as file:
        arrays, texts = tensors(hdf5, file), text_attributes(hdf5, file)
    source.budget.charge_bytes(sum(tensor.nbytes for tensor in arrays.values()))
    return arrays, texts


def _check_groups(source: Source, name: str, expected: set[str], found: set[str]) -> None:
    for groups, what in ((expected - found, "lacks"), (found - expected, "has more than it says:")):
        if groups:
            raise source.refused(f"{legible(name)} {what} {legible(min(groups))}")


def _group(path: str) -> str:
    """As the index has it: with the slash that stands for the root."""
    return f"/{path}".rpartition("/")[0]
