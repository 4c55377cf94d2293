"""Writes `.pdparams`, a pickle of NumPy arrays that `paddle.load` makes tensors of.

The table of Paddle's own parameter names is left out, as it is in what `paddle.save` makes of a
dict of arrays; with an empty one `paddle.load` would return the arrays as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from weights_converter.arrays.dtypes import CARRIERS, FLOAT8, Array
from weights_converter.arrays.tensor import TensorInfo
from weights_converter.errors import RefusedError
from weights_converter.formats.destinations.writer import RestingFile
from weights_converter.formats.pickles.emit import Emitter

# uint16 would come back as bfloat16, which Paddle stores that way, and float8 as int8.
_LOST = {"U16", "U32", "U64"} | FLOAT8


class PaddleWriter:
    """One flat dict. There is no place for metadata that `paddle.load` would not trip over.

    Raises:
        RefusedError: Paddle cannot read an array's dtype back.
    """

    def __init__(self, path: Path, tensors: Sequence[TensorInfo], draft: Mapping[str, str]) -> None:
        for tensor in tensors:
            if tensor.dtype in _LOST:
                raise RefusedError(f"{tensor.name}: a .pdparams file cannot hold {tensor.dtype}")
        self._file = RestingFile(path)
        self._emit = Emitter(protocol=4)
        self._emit.instruction("}(")

    def add(self, tensor: TensorInfo, array: Array) -> None:
        self._emit.text(tensor.name)
        _array_header(self._emit, tensor)
        self._file.open().write(self._emit.take())
        self._file.open().write(array.data)
        self._emit.instruction("tb")  # completes the state, and the array with it

    def close(self, metadata: Mapping[str, str]) -> None:
        self._emit.instruction("u.")
        self._file.open().write(self._emit.take())
        self._file.rest()

    def abandon(self) -> None:
        self._file.abandon()


def _array_header(emit: Emitter, tensor: TensorInfo) -> None:
    """_reconstruct(ndarray, (0,), b"b"), then its state (1, shape, dtype, C order, bytes..."""
    emit.global_("numpy.core.multiarray", "_reconstruct")
    emit.instruction("(")
    emit.global_("numpy", "ndarray")
    emit.numbers((0,))
    emit.bytes_header(1)
    emit.instruction("btR(")
    emit.number(1)
    emit.numbers(tensor.shape)
    _dtype(emit, tensor)
    emit.boolean(False)
    emit.bytes_header(tensor.nbytes)


def _dtype(emit: Emitter, tensor: TensorInfo) -> None:
    """dtype("f4", False, True), then its state (3, "<", None, None, None, -1, -1, 0)"""
    code = CARRIERS[tensor.dtype].str  # "<f4"
    emit.global_("numpy", "dtype")
    emit.instruction("(")
    emit.text(code[1:])
    emit.instruction("\x89\x88tR(K\x03")
    emit.text(code[0])
    emit.instruction("NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb")
