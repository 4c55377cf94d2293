"""The formats of weights files, a row each.

A format is read where a checkpoint of one of our models exists in it; it is written where a
framework or a runtime loads it. Of an exported network the metadata are read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from weights_converter.arrays.tensor import Checkpoint
from weights_converter.errors import DamagedError, UsageError, legible
from weights_converter.formats import recognise
from weights_converter.formats.destinations.shard_format import ShardFormat
from weights_converter.formats.destinations.writer import MakeRestingWriter, MakeWriter
from weights_converter.formats.files.source import Source
from weights_converter.formats.keras.read import read_keras
from weights_converter.formats.keras.read_archive import read_archive
from weights_converter.formats.keras.read_shards import read_shards
from weights_converter.formats.keras.write import KerasWriter
from weights_converter.formats.keras.write_shards import SHARDS as KERAS_SHARDS
from weights_converter.formats.npz.read import read_npz
from weights_converter.formats.npz.write import NpzWriter
from weights_converter.formats.onnx.read import read_onnx
from weights_converter.formats.paddle.read import read_paddle
from weights_converter.formats.paddle.read_binary import read_binary
from weights_converter.formats.paddle.write import PaddleWriter
from weights_converter.formats.pytorch.read import read_torch
from weights_converter.formats.pytorch.read_legacy import read_legacy
from weights_converter.formats.pytorch.read_tar import read_tar
from weights_converter.formats.pytorch.write import TorchWriter
from weights_converter.formats.recognise import Content, Recognise
from weights_converter.formats.safetensors.read import read_safetensors
from weights_converter.formats.safetensors.read_index import read_index
from weights_converter.formats.safetensors.write import SafetensorsWriter
from weights_converter.formats.safetensors.write_shards import SHARDS as SAFETENSORS_SHARDS
from weights_converter.formats.tensorflow.read import read_tensorflow


@dataclass(frozen=True)
class Sharded:
    """How a format is written as several files with an index.

    Attributes:
        index: name of the format of the index.
        files: how the set looks.
        write: makes the writer of each file.
    """

    index: str
    files: ShardFormat
    write: MakeRestingWriter


@dataclass(frozen=True)
class Format:
    """A format of weights files.

    Attributes:
        name: as messages and `Checkpoint.format` have it.
        layout: a key of `LAYOUTS`: the framework whose order of axes it has.
        recognise: whether a file is of this format, if it is of none before it in the table.
        read: opens a file; takes the key of one of several state dicts.
        endings: by which a user asks for it; none for a format that is not written.
        write: makes its writer, None for a format that is not written.
        sharded: how it is written as several files, None where it is not.
        is_index: whether its arrays are in other files.
        has_sidecar: whether its metadata have no place but beside it.
        is_exported: whether it is for a runtime, and its arrays are no checkpoint.
    """

    name: str
    layout: str
    recognise: Recognise
    read: Callable[[Source, str | None], Checkpoint]
    endings: tuple[str, ...] = ()
    write: MakeWriter | None = None
    sharded: Sharded | None = None
    is_index: bool = False
    has_sidecar: bool = False
    is_exported: bool = False


TORCH_ENDINGS: Final = (".pth", ".pt", ".pth.tar", ".bin")
# In the order in which a file is tried: the length of a safetensors header may look like a pickle,
# one of a pickle of torch's is one, and any archive may be torch's.
FORMATS: Final = (
    Format("keras", "keras", recognise.is_keras_archive, read_archive),
    Format("npz", "torch", recognise.is_npz, read_npz, (".npz",), NpzWriter),
    Format("torch", "torch", recognise.is_torch, read_torch, TORCH_ENDINGS, TorchWriter),
    Format("torch-tar", "torch", recognise.is_tar, read_tar),
    Format("tensorflow", "tensorflow", recognise.is_tensorflow, read_tensorflow, is_index=True),
    Format(
        "keras-h5",
        "keras",
        recognise.is_hdf5,
        read_keras,
        (".weights.h5",),
        KerasWriter,
        Sharded("keras-index", KERAS_SHARDS, KerasWriter),
    ),
    Format(
        "safetensors",
        "torch",
        recognise.is_safetensors,
        read_safetensors,
        (".safetensors",),
        SafetensorsWriter,
        Sharded("safetensors-index", SAFETENSORS_SHARDS, SafetensorsWriter),
    ),
    Format("torch-legacy", "torch", recognise.is_torch_legacy, read_legacy),
    Format(
        "pdparams",
        "paddle",
        recognise.is_pickle,
        read_paddle,
        (".pdparams",),
        PaddleWriter,
        has_sidecar=True,
    ),
    Format("paddle-binary", "paddle", recognise.is_paddle_binary, read_binary),
    Format("safetensors-index", "torch", recognise.is_safetensors_index, read_index, is_index=True),
    Format("keras-index", "keras", recognise.is_keras_index, read_shards, is_index=True),
    Format("onnx", "torch", recognise.is_onnx, read_onnx, is_exported=True),
)
EXPORTED: Final = frozenset(format.name for format in FORMATS if format.is_exported)


def format_in(source: Source) -> Format:
    """The format of a file.

    Raises:
        DamagedError: the file is empty, a web page, a git-lfs pointer, or unknown.
    """
    content = Content.of(source)
    for format in FORMATS:
        if format.recognise(content):
            return format
    raise DamagedError(
        f"{source.name} is not a weights file of a known format",
        "those are files of PyTorch (.pth, .pt), Paddle (.pdparams), Keras (.weights.h5), "
        "safetensors and NumPy (.npz)",
    )


def format_asked_by(path: Path) -> Format:
    """The format that the ending of a destination's name asks for.

    Raises:
        UsageError: no format has that ending.
    """
    for format in FORMATS:
        if path.name.lower().endswith(format.endings):
            return format
    known = ", ".join(ending for format in FORMATS for ending in format.endings)
    raise UsageError(
        f"expected a destination that ends in {known}, received {legible(path.name)}",
        help="`odconv export` writes files for runtimes, such as .onnx",
    )


def format_called(name: str) -> Format:
    """Raises UsageError where no format that can be written has the name."""
    written = {format.name: format for format in FORMATS if format.write is not None}
    if name not in written:
        raise UsageError(f"unknown format {legible(name)}", f"known: {', '.join(written)}")
    return written[name]
