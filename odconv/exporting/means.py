"""Means of large maps in an ONNX graph, as the means of what the means of their rows are.

ONNX Runtime adds the values of a map one after the other in float32, so that a mean of 50,000 has
lost a digit. Two sums, each of some hundred values, lose little.
"""

from __future__ import annotations

from math import prod
from typing import Any, Final

import numpy as np
from onnxscript import ir

_MANY: Final = 4096  # values of a sum that is parted
_LAST: Final = "last_axis"


def part_means(model: Any) -> None:
    """Puts a mean over the last axis before each mean over a large map, or one of any size.

    Args:
        model: of `torch.onnx.ONNXProgram`, which is changed.
    """
    for node in [node for node in model.graph if node.op_type == "ReduceMean"]:
        if _is_of_many(node):
            rows = ir.node(
                "ReduceMean",
                [node.inputs[0], _last_axis(model.graph)],
                {"keepdims": 1},
                name=f"{node.name}_of_rows",
            )
            model.graph.insert_before(node, rows)
            node.replace_input_with(0, rows.outputs[0])


def _is_of_many(node: Any) -> bool:
    """Whether it is over several axes, the last among them, with many values or any number."""
    x, axes = node.inputs
    if x.shape is None or axes is None or axes.const_value is None:
        return False
    places = {int(axis) % len(x.shape) for axis in axes.const_value.numpy()}
    sizes = [x.shape[place] for place in places]
    known = all(isinstance(size, int) for size in sizes)
    return len(x.shape) - 1 in places and len(places) > 1 and not (known and prod(sizes) < _MANY)


def _last_axis(graph: Any) -> Any:
    """The constant -1, once in a graph."""
    if _LAST not in graph.initializers:
        array = ir.tensor(np.array([-1], np.int64), name=_LAST)
        graph.register_initializer(ir.Value(name=_LAST, const_value=array))
    return graph.initializers[_LAST]
