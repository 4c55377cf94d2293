"""An ONNX file whose arrays are in half precision."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16

# Exponentials and sums over a map leave the range of half precision, and cost nothing.
_IN_SINGLE: Final = ("Softmax", "Sigmoid", "ReduceMean", "GlobalAveragePool")


def halve(source: Path, path: Path) -> None:
    """Writes the file in half precision; it takes and gives float32.

    Attentions and means are computed in float32.
    """
    network = convert_float_to_float16(
        onnx.load(source),
        keep_io_types=True,
        disable_shape_infer=True,
        op_block_list=list(_IN_SINGLE),
    )
    onnx.save(network, path)
