"""The files of the demonstration: a checkpoint, what network it is of, and 64 images for it.

The checkpoint is that of `examples/` in the repository, which the published code trained on the
digits of scikit-learn, without the state of its optimizer. The logits are those of that code.
"""

from __future__ import annotations

from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from weights_converter.arrays.dtypes import Array
from weights_converter.errors import FileError, legible
from weights_converter.formats.files.atomic import replacing

CHECKPOINT: Final = "digits.pth.tar"
SPEC: Final = "digits.json"


class Digits(NamedTuple):
    """Images (64, 3, 32, 32) and their labels (64,), and the published code's logits (64, 10)."""

    images: Array
    labels: Array
    logits: Array


def lay_out(folder: Path) -> None:
    """Writes checkpoint and spec into a folder, which is made; those that are there stay.

    Raises:
        FileError: another file has the name of one of them, or they cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(
            f"cannot make the folder {legible(str(folder))}: {error.strerror or error}"
        ) from error
    for name in (CHECKPOINT, SPEC):
        _lay(folder / name, _content(name))


def digits() -> Digits:
    """Some of the test images, which the checkpoint has not seen in its training."""
    with np.load(BytesIO(_content("digits.npz")), allow_pickle=False) as file:
        return Digits(*(file[name] for name in Digits._fields))


def _lay(path: Path, content: bytes) -> None:
    if path.is_file():
        if path.read_bytes() == content:
            return
        raise FileError(
            f"{legible(str(path))} exists and is not of the demonstration",
            help="name another folder: odconv demo FOLDER",
        )
    with replacing(path) as part:
        part.write_bytes(content)


def _content(name: str) -> bytes:
    return files("odconv.demonstration").joinpath(name).read_bytes()
