"""Shapes that no array can have, or none of NumPy 1, in every format that can state them."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.converter.bundles import VALUE, Bundle
from tests.converter.crafted import (
    dict_,
    ndarray,
    number,
    pickled,
    safetensors,
    tensor,
    torch_zip,
    tuple_,
    varint,
    written,
)
from tests.converter.crafted_npz import archive, described, npy
from weights_converter.errors import ConverterError, DamagedError, RefusedError
from weights_converter.formats import read

Shape = tuple[int, ...]


def of_safetensors(folder: Path, shape: Shape) -> Path:
    header = {"w": {"dtype": "F64", "shape": list(shape), "data_offsets": [0, 0]}}
    return written(folder, "x", safetensors(json.dumps(header).encode()))


def of_npz(folder: Path, shape: Shape) -> Path:
    sizes = "".join(f"{size}, " for size in shape).rstrip(" ")
    return written(folder, "x", archive(("w.npy", npy(described("'<f8'", shape=f"({sizes})")))))


def of_torch(folder: Path, shape: Shape) -> Path:
    made = tensor(shape, (1,) * len(shape), numel=0, storage="DoubleStorage")
    return written(folder, "x", torch_zip(pickled(dict_(w=made)), {"0": b""}))


def of_pdparams(folder: Path, shape: Shape) -> Path:
    made = ndarray(np.empty(0)).replace(tuple_(number(0)), tuple_(*map(number, shape)))
    return written(folder, "x", pickled(dict_(w=made)))


def of_paddle_binary(folder: Path, shape: Shape) -> Path:
    sizes = b"".join(b"\x10" + varint(size % 2**64) for size in shape)
    description = b"\x08\x06" + sizes
    return written(folder, "w", struct.pack("<IQIi", 0, 0, 0, len(description)) + description)


def of_tensorflow(folder: Path, shape: Shape) -> Path:
    sizes = tuple(size % 2**64 for size in shape)
    return Bundle().add(f"w{VALUE}", np.empty(0), shape=sizes).write(folder)


FORMATS = (of_safetensors, of_npz, of_torch, of_pdparams, of_paddle_binary, of_tensorflow)
Made = Callable[[Path, Shape], Path]


@pytest.mark.parametrize("made", FORMATS)
@pytest.mark.parametrize(
    "shape",
    [
        (0, 2**59),
        (2**60, 0),
        (0, 2**63 - 1),
        (0, 2**63),
        (0, 2**64 - 1),
        (0, 2**32, 2**32),
        (0, 2**20, 2**20, 2**20),
        (0, -1),
        (-(2**63), 0),
        (0,) * 33,
        (1,) * 64 + (0,),
    ],
    ids=str,
)
def test_is_refused(tmp_path, made: Made, shape):
    with pytest.raises(ConverterError) as error:
        for found in read(made(tmp_path, shape)).tensors.values():
            found.load()
    assert type(error.value) in (DamagedError, RefusedError)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("made", FORMATS)
@pytest.mark.parametrize("shape", [(0,), (0, 2**58), (2**29, 0, 2**29), (0,) * 32], ids=str)
def test_large_and_empty(tmp_path, made: Made, shape):
    (found,) = read(made(tmp_path, shape)).tensors.values()
    assert (found.shape, found.dtype, found.nbytes) == (shape, "F64", 0)
    assert found.load().shape == shape
