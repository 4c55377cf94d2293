"""Any weights file, read by its content and written by the name of its format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from weights_converter.arrays.tensor import Checkpoint, Tensor
from weights_converter.errors import UsageError, legible
from weights_converter.formats.detect import detect
from weights_converter.formats.files.array_names import repeated
from weights_converter.formats.files.atomic import replacing
from weights_converter.formats.files.open_files import kept_open
from weights_converter.formats.files.source import Source
from weights_converter.formats.keras.read import read_keras
from weights_converter.formats.keras.read_archive import read_archive
from weights_converter.formats.keras.read_shards import read_shards
from weights_converter.formats.keras.write import write_keras
from weights_converter.formats.npz.read import read_npz
from weights_converter.formats.npz.write import write_npz
from weights_converter.formats.paddle.read import read_paddle
from weights_converter.formats.paddle.read_binary import read_binary
from weights_converter.formats.paddle.write import write_paddle
from weights_converter.formats.pytorch.read import read_torch
from weights_converter.formats.pytorch.read_legacy import read_legacy
from weights_converter.formats.pytorch.read_tar import read_tar
from weights_converter.formats.pytorch.write import write_torch
from weights_converter.formats.safetensors.read import read_safetensors
from weights_converter.formats.safetensors.read_index import read_index
from weights_converter.formats.safetensors.write import write_safetensors
from weights_converter.formats.tensorflow.entry_point import entry_point
from weights_converter.formats.tensorflow.read import read_tensorflow

# Formats whose arrays are in other files, each of which is as large as they are.
_INDEXES = frozenset({"keras-index", "safetensors-index", "tensorflow"})

# Formats that the HDF5 library reads.
_HDF5 = frozenset({"keras-h5", "keras", "keras-index"})

_READERS: Mapping[str, Callable[[Source, str | None], Checkpoint]] = MappingProxyType(
    {
        "torch": read_torch,
        "torch-legacy": read_legacy,
        "torch-tar": read_tar,
        "pdparams": read_paddle,
        "paddle-binary": read_binary,
        "keras-h5": read_keras,
        "keras": read_archive,
        "keras-index": read_shards,
        "safetensors": read_safetensors,
        "safetensors-index": read_index,
        "npz": read_npz,
        "tensorflow": read_tensorflow,
    }
)
_WRITERS: Mapping[str, Callable[[Path, list[Tensor], Mapping[str, str]], None]] = MappingProxyType(
    {
        "torch": write_torch,
        "pdparams": write_paddle,
        "keras-h5": write_keras,
        "safetensors": write_safetensors,
        "npz": write_npz,
    }
)


def read(path: str | Path, key: str | None = None) -> Checkpoint:
    """Opens a weights file of any format; its content decides which, never its name.

    Nothing in the file is imported, looked up or executed. Arrays are read one at a time, when
    their `load()` is called.

    Args:
        key: Which state dict to take if a training script has saved several.

    Raises:
        FileError: there is no readable file.
        DamagedError: it is truncated, corrupt, or not a checkpoint.
        RefusedError: it holds something unsafe or unsupported.
        UsageError: `key` is needed, or names nothing.
    """
    source = Source.at(entry_point(Path(path)))
    with kept_open():
        format = detect(source)
        checkpoint = _READERS[format](source, key)
    if format not in _INDEXES:
        source.budget.charge_bytes(checkpoint.nbytes)
    return checkpoint


def is_hdf5(path: str | Path) -> bool:
    """Whether `read` would leave it to the HDF5 library; see `read` for the errors."""
    return detect(Source.at(entry_point(Path(path)))) in _HDF5


def write(
    path: str | Path,
    format: str,
    tensors: Iterable[Tensor],
    metadata: Mapping[str, str],
    overwrite: bool = False,
    proof: Callable[[Path], object] = lambda part: None,
) -> None:
    """Writes a file that the framework's own loader reads; the same input gives the same bytes.

    One array is in memory at a time. The file appears when it is complete, or not at all.

    Args:
        format: "torch", "pdparams", "keras-h5", "safetensors" or "npz".
        metadata: Text to keep with the arrays. `.pdparams` has no place for it: it is left out.
        overwrite: Replaces the file where it exists.
        proof: Called with the complete file before it takes its place; what it raises prevents it.

    Raises:
        FileError: `path` exists and `overwrite` is false, or cannot be written.
        UsageError: the format is unknown, or a name is given twice or impossible in it.
        RefusedError: the format cannot hold one of the dtypes.
        MismatchError: an array is not what its tensor says.
    """
    if format not in _WRITERS:
        raise UsageError(f"unknown format {legible(format)}", f"known: {', '.join(_WRITERS)}")
    listed = list(tensors)
    twice = repeated(tensor.name for tensor in listed)
    if twice is not None:
        raise UsageError(f"two arrays are called {legible(twice)}")
    with replacing(Path(path), overwrite) as part:
        _WRITERS[format](part, listed, metadata)
        proof(part)
