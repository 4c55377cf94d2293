"""Writes a set of safetensors files with their index, and goes on where it was interrupted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import FileError, UsageError, legible
from weights_converter.formats.files.atomic import replacing
from weights_converter.formats.files.shard_groups import shard_groups
from weights_converter.formats.safetensors.write import content

INDEX_ENDING = ".safetensors.index.json"


def write_shards(
    path: str | Path,
    tensors: Iterable[Tensor],
    metadata: Mapping[str, str],
    most_bytes: int,
    overwrite: bool = False,
    proof: Callable[[Path], object] = lambda part: None,
) -> tuple[Path, ...]:
    """Writes `name-00001-of-00003.safetensors` and so on, then `name.safetensors.index.json`.

    Each file appears when it is complete, the index last. A file that is there already with the
    very content that it should have is left alone, so a run that was killed is completed by the
    same call. The same input gives the same bytes.

    Args:
        path: The index. The other files are written beside it.
        most_bytes: What the arrays of one file may take together.
        overwrite: Replaces files with another content.
        proof: Called with the index before it takes its place; what it raises prevents it.

    Returns:
        The files that hold the arrays.

    Raises:
        UsageError: `path` does not end in `.safetensors.index.json`, an array is larger than
            `most_bytes`, or two have one name.
        FileError: a file exists with another content, or cannot be written.
    """
    path = Path(path)
    listed = list(tensors)
    if not path.name.endswith(INDEX_ENDING):
        raise UsageError(
            f"{legible(path.name)} is no index", f"its name must end in {INDEX_ENDING}"
        )
    groups = shard_groups(listed, most_bytes)
    with replacing(path, overwrite) as part:
        files = _write_groups(path, groups, metadata, overwrite)
        part.write_bytes(_index(files, metadata))
        proof(part)
    return tuple(files)


def _write_groups(
    path: Path, groups: list[list[Tensor]], metadata: Mapping[str, str], overwrite: bool
) -> dict[Path, list[Tensor]]:
    stem = path.name.removesuffix(INDEX_ENDING)
    files: dict[Path, list[Tensor]] = {}
    for number, group in enumerate(groups, 1):
        file = path.with_name(f"{stem}-{number:05}-of-{len(groups):05}.safetensors")
        files[file] = group
        if _is_there(file, group, metadata):
            continue
        with replacing(file, overwrite) as part, part.open("wb") as handle:
            for piece in content(group, metadata):
                handle.write(piece)
    return files


def _is_there(file: Path, group: list[Tensor], metadata: Mapping[str, str]) -> bool:
    """Whether the file has every byte that it should have."""
    if file.is_symlink() or not file.is_file():
        return False
    try:
        with file.open("rb") as handle:
            same = all(handle.read(len(p)) == p for p in map(_flat, content(group, metadata)))
            return same and not handle.read(1)
    except OSError as error:
        raise FileError(f"cannot read {legible(str(file))}: {error.strerror}") from error


def _flat(piece: bytes | memoryview) -> memoryview:
    return memoryview(piece).cast("B") if memoryview(piece).nbytes else memoryview(b"")


def _index(files: Mapping[Path, list[Tensor]], metadata: Mapping[str, str]) -> bytes:
    total = sum(tensor.nbytes for group in files.values() for tensor in group)
    index = {
        "metadata": {**dict(sorted(metadata.items())), "total_size": total},
        "weight_map": {tensor.name: file.name for file, group in files.items() for tensor in group},
    }
    return (json.dumps(index, indent=2) + "\n").encode()
