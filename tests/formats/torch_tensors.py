"""Tensors of every kind that torch can save, and how they are compared with what is read."""

from __future__ import annotations

from pathlib import Path

import torch

from weights_converter.arrays.dtypes import CARRIERS
from weights_converter.formats import read

TAGS = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8",
    torch.uint8: "U8", torch.uint16: "U16", torch.uint32: "U32", torch.uint64: "U64",
    torch.bool: "BOOL", torch.complex64: "C64", torch.complex128: "C128",
    torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2",
    torch.float8_e4m3fnuz: "F8_E4M3FNUZ", torch.float8_e5m2fnuz: "F8_E5M2FNUZ",
    torch.float8_e8m0fnu: "F8_E8M0",
}  # fmt: skip


def raw_bytes(tensor: torch.Tensor) -> bytes:
    flat = tensor.detach().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


def assert_same(path: Path, expected: dict[str, torch.Tensor]) -> None:
    tensors = read(path).tensors
    assert list(tensors) == list(expected)
    for name, value in expected.items():
        array = tensors[name].load()
        assert tensors[name].dtype == TAGS[value.dtype]
        assert array.dtype == CARRIERS[tensors[name].dtype]
        assert tensors[name].shape == array.shape == tuple(value.shape)
        assert array.flags.c_contiguous and array.flags.writeable
        assert array.tobytes() == raw_bytes(value), name


def odd_tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    base = torch.randn(4, 6, 5)
    tied = torch.randn(3, 2)
    return {
        "plain": base,
        "transposed": base.permute(2, 0, 1),
        "strided": base[1:, ::2, 1::3],
        "offset": base[2, 3:],
        "expanded": torch.randn(1, 3).expand(7, 3),
        "channels_last": torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
        "zero_d": torch.tensor(2.5),
        "empty": torch.empty(0, 3),
        "empty_slice": base[:, :0],
        "tied": tied,
        "tied_again": tied,
        "tied_transposed": tied.T,
        "parameter": torch.nn.Parameter(torch.randn(3)),
        "unit_axis": torch.randn(1, 5).T,
    }


def every_dtype_in_torch() -> dict[str, torch.Tensor]:
    """Random values of each type, and views of them that are transposed and start within."""
    torch.manual_seed(5)
    tensors = {str(dtype): (torch.randn(3, 4) * 50).abs().to(dtype) for dtype in TAGS}
    return tensors | {f"view {d}": t.T[1:] for d, t in tensors.items()}
