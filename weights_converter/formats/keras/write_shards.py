"""Writes sharded weights as Keras does: HDF5 files of a limited size, and last their index.

There is no checkpoint without its index, so one that is killed half-way has left none. What it has
left are whole files, which the next run keeps where they hold what it would write.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import ConverterError, UsageError, legible
from weights_converter.formats.files.atomic import replacing
from weights_converter.formats.files.shard_groups import shard_groups
from weights_converter.formats.files.source import Source
from weights_converter.formats.keras.read import read_keras
from weights_converter.formats.keras.read_shards import MAP
from weights_converter.formats.keras.write import check_writable, write_keras

INDEX_ENDING = ".weights.json"


def write_keras_shards(
    path: str | Path,
    tensors: Iterable[Tensor],
    metadata: Mapping[str, str],
    most_bytes: int,
    overwrite: bool = False,
    proof: Callable[[Path], object] = lambda part: None,
) -> tuple[Path, ...]:
    """Writes `name_00000.weights.h5` and so on, then `name.weights.json`.

    Each file appears when it is complete, the index last; a file that is there already with the
    arrays that it should have is left alone.

    Args:
        path: The index. The other files are written beside it.
        metadata: Text to keep with the arrays, in each file.
        most_bytes: What the arrays of one file may take together.
        overwrite: Replaces files with another content; the index goes first, so that it never
            stands beside the files of another.
        proof: Called with the index before it takes its place; what it raises prevents it.

    Returns:
        The files that hold the arrays.

    Raises:
        FileError: a file exists with another content, or cannot be written.
        UsageError: a name is given twice or impossible, or an array larger than `most_bytes`.
        RefusedError: Keras has no way to store an array's dtype.
    """
    path = Path(path)
    listed = list(tensors)
    if not path.name.endswith(INDEX_ENDING) or path.name == INDEX_ENDING:
        raise UsageError(
            f"{legible(path.name)} is no index", f"its name must end in {INDEX_ENDING}"
        )
    check_writable(listed)
    groups = shard_groups(listed, most_bytes)
    # By this name Keras looks for the first file, before it reads the index.
    base = path.stem.replace(".weights", "")
    files = {
        path.with_name(f"{base}_{number:05}.weights.h5"): group
        for number, group in enumerate(groups)
    }
    with replacing(path, overwrite) as part:
        path.unlink(missing_ok=True)
        for file, group in files.items():
            if not _is_there(file, group, metadata):
                with replacing(file, overwrite) as content:
                    write_keras(content, group, metadata)
        part.write_text(_index(files), encoding="utf-8")
        proof(part)
    return tuple(files)


def _is_there(file: Path, group: list[Tensor], metadata: Mapping[str, str]) -> bool:
    """Whether the file holds just these arrays, bit for bit."""
    if file.is_symlink() or not file.is_file():
        return False
    try:
        found = read_keras(Source.at(file), None)
    except ConverterError:
        return False
    if found.metadata != metadata or set(found.tensors) != {tensor.name for tensor in group}:
        return False
    return all(_same(tensor, found.tensors[tensor.name]) for tensor in group)


def _same(first: Tensor, second: Tensor) -> bool:
    if (first.dtype, first.shape) != (second.dtype, second.shape):
        return False
    return first.read().tobytes() == second.read().tobytes()


def _index(files: Mapping[Path, list[Tensor]]) -> str:
    places: dict[str, list[str]] = {}
    for file, group in files.items():
        for tensor in group:
            names = places.setdefault(f"/{tensor.name}".rpartition("/")[0], [])
            if file.name not in names:
                names.append(file.name)
    size = sum(tensor.nbytes for group in files.values() for tensor in group)
    return json.dumps({"metadata": {"total_size": size}, MAP: places}, indent=4) + "\n"
