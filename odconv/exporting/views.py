"""Views of views in an ONNX graph, as one: each costs a runtime some time, though nothing moves."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from onnxscript import ir

_VIEWS: Final = ("Reshape", "Unsqueeze", "Squeeze", "Flatten")


def join_views(model: Any) -> None:
    """Leaves no view of a view, and none that changes nothing, where shapes are known.

    Args:
        model: of `torch.onnx.ONNXProgram`, which is changed.
    """
    graph = model.graph
    for node in [node for node in graph if _is_view(node)]:
        source, view = _source(node), node.outputs[0]
        if _sizes(source) == _sizes(view) and not view.is_graph_output():
            ir.convenience.replace_all_uses_with(view, source)
        elif source is not node.inputs[0]:
            _look_at(graph, node, source)
    for node in [node for node in reversed(graph) if _is_view(node)]:
        if not node.outputs[0].uses() and not node.outputs[0].is_graph_output():
            graph.remove(node, safe=True)


def _is_view(node: Any) -> bool:
    """Whether the same numbers follow in the same order, in a shape that is known."""
    if node is None or not _sizes(node.outputs[0]):
        return False
    expands = node.op_type == "Expand" and _sizes(node.inputs[0]) == _sizes(node.outputs[0])
    return expands or node.op_type in _VIEWS


def _sizes(value: Any) -> tuple[int, ...]:
    """The shape of a value; none where it is not known."""
    sizes = () if value.shape is None else tuple(value.shape)
    return sizes if all(isinstance(size, int) for size in sizes) else ()


def _source(node: Any) -> Any:
    """What the first of the views looks at."""
    value = node.inputs[0]
    while _is_view(value.producer()):
        value = value.producer().inputs[0]
    return value


def _look_at(graph: Any, node: Any, source: Any) -> None:
    """Makes a view a reshaping of the source."""
    view = node.outputs[0]
    shape = ir.Value(name=f"{view.name}_shape")
    shape.const_value = ir.tensor(np.array(_sizes(view), np.int64), name=shape.name)
    graph.register_initializer(shape)
    node.op_type = "Reshape"
    node.attributes.clear()
    node.resize_inputs(2)
    node.replace_input_with(0, source)
    node.replace_input_with(1, shape)
