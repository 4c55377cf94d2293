"""Weights files of every framework, read and written without the framework."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from weights_converter.arrays.tensor import Checkpoint, Tensor
from weights_converter.formats.destination import Destination
from weights_converter.formats.entry_point import entry_point
from weights_converter.formats.files.open_files import kept_open
from weights_converter.formats.files.source import Source
from weights_converter.formats.table import format_asked_by, format_called, format_in

__all__ = ["format_of", "read", "write", "write_shards"]


def read(path: str | Path, key: str | None = None, *, isolate: bool | None = False) -> Checkpoint:
    """Opens a weights file of any format; its content decides which, never its name.

    Nothing in the file is imported, looked up or executed. Arrays are read one at a time, when
    their `load()` is called.

    Args:
        path: The file, an index of several, or a folder with a checkpoint of TensorFlow.
        key: Which state dict to take if a training script has saved several.
        isolate: Whether a child process with limits parses the file; None leaves only HDF5 files
            to one, where the system has such limits.

    Returns:
        The index of the file, whose arrays are loaded on demand.

    Raises:
        FileError: there is no readable file.
        DamagedError: it is truncated, corrupt, or not a checkpoint.
        RefusedError: it holds something unsafe or unsupported.
        UsageError: `key` is needed, or names nothing.

    Example:
        >>> checkpoint = read("odconv_demo/digits.pth.tar")
        >>> checkpoint.format, len(checkpoint.tensors)
        ('torch', 170)
        >>> tensor = checkpoint.tensors["module.features.0.0.weight"]
        >>> tensor.shape, tensor.dtype, tensor.load().shape
        ((32, 3, 3, 3), 'F32', (32, 3, 3, 3))
    """
    if isolate:
        return _isolated(path, key)
    source = Source.at(entry_point(Path(path)))
    with kept_open():
        format = format_in(source)
        if isolate is None and format.layout == "keras" and os.name == "posix":
            return _isolated(path, key)
        checkpoint = format.read(source, key)
    if not format.is_index:  # the arrays of an index are in other files, which know their sizes
        source.budget.charge_bytes(checkpoint.nbytes)
    return checkpoint


def write(
    path: str | Path,
    format: str,
    tensors: Iterable[Tensor],
    metadata: Mapping[str, str],
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """Writes a file that the framework's own loader reads; the same input gives the same bytes.

    One array is in memory at a time. The file appears when it is complete, or not at all.

    Args:
        path: Where to.
        format: "torch", "pdparams", "keras-h5", "safetensors" or "npz".
        tensors: In the order in which the file will have them.
        metadata: Text to keep with the arrays; for `.pdparams` in a file beside it.
        overwrite: Replaces the file where it exists.

    Returns:
        The files that were written.

    Raises:
        FileError: `path` exists and `overwrite` is false, or cannot be written.
        UsageError: the format is unknown, or a name is given twice or impossible in it.
        RefusedError: the format cannot hold one of the dtypes.
        MismatchError: an array is not what its tensor says.

    Example:
        >>> tensors = read("odconv_demo/digits.pth.tar").tensors.values()
        >>> files = write("written.safetensors", "safetensors", tensors, {"note": "digits"})
        >>> read(files[0]).metadata["note"]
        'digits'
    """
    destination = Destination(Path(path), format_called(format), None, overwrite)
    return _written(destination, list(tensors), metadata)


def write_shards(
    path: str | Path,
    tensors: Iterable[Tensor],
    metadata: Mapping[str, str],
    most_bytes: int,
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """Writes several files and their index, of safetensors or of Keras; see `write`.

    Args:
        path: The index, `NAME.safetensors.index.json` or `NAME.weights.json`.
        most_bytes: What the arrays of one file may take together.

    Returns:
        The paths of all files that were written.

    Example:
        >>> tensors = read("odconv_demo/digits.pth.tar").tensors.values()
        >>> files = write_shards("digits.safetensors.index.json", tensors, {}, 1_500_000)
        >>> len(files), files[-1].name
        (3, 'digits.safetensors.index.json')
    """
    return _written(Destination.of(path, most_bytes, overwrite), list(tensors), metadata)


def format_of(path: str | Path) -> str:
    """The name of the format that a destination's ending asks for. Raises UsageError for none.

    Returns:
        A name, such as "safetensors".

    Example:
        >>> format_of("model.weights.h5")
        'keras-h5'
    """
    return format_asked_by(Path(path)).name


def _isolated(path: str | Path, key: str | None) -> Checkpoint:
    from weights_converter.formats.isolated.reader import read_isolated  # the child has no need

    return read_isolated(path, key)


def _written(
    destination: Destination, tensors: list[Tensor], metadata: Mapping[str, str]
) -> tuple[Path, ...]:
    with destination.open(tensors, metadata) as staged, kept_open():
        for tensor in tensors:
            staged.add(tensor, tensor.read())
        staged.close(metadata)
        return staged.place()
