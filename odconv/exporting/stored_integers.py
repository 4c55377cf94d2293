"""Arrays of linear layers that are stored as integers of 8 bits and used as floats."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

_LARGEST: Final = 127
_LEAST: Final = np.finfo(np.float32).tiny  # a scale that a row of zeros can be divided by


def store_as_integers(model: Any, names: Collection[str]) -> None:
    """Keeps the kernels of linear layers in a quarter of the bytes, and their arithmetic as it was.

    Args:
        model: an ONNX model, which is changed.
        names: of Gemm and MatMul nodes with constant kernels, which no other node uses.
    """
    arrays = {array.name: array for array in model.graph.initializer}
    nodes: list[Any] = []
    for node in model.graph.node:
        if node.name in names and len(node.input) > 1 and node.input[1] in arrays:
            array = arrays[node.input[1]]
            if len(array.dims) == 2 and array.data_type == onnx.TensorProto.FLOAT:
                nodes.append(_restored(model.graph, array, _axis_of_outputs(node)))
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _axis_of_outputs(node: Any) -> int:
    transposed = any(a.name == "transB" and a.i for a in node.attribute)
    return 0 if transposed else 1


def _restored(graph: Any, array: Any, axis: int) -> Any:
    """The node that makes floats of an array again, which is replaced by integers and scales."""
    values = numpy_helper.to_array(array)
    scales = np.maximum(np.abs(values).max(1 - axis) / _LARGEST, _LEAST)  # (out,)
    integers = np.rint(values / np.expand_dims(scales, 1 - axis)).astype(np.int8)
    names = [f"{array.name}_{part}" for part in ("integers", "scales")]
    graph.initializer.remove(array)
    graph.initializer.extend(map(numpy_helper.from_array, (integers, scales), names))
    return helper.make_node(
        "DequantizeLinear", names, [array.name], name=f"{array.name}_floats", axis=axis
    )
