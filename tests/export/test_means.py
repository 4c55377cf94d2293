"""Means of large maps in an ONNX graph, which ONNX Runtime rounds little."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxscript import ir

from odconv.exporting.means import part_means

CHANNELS = 3
LARGE = (1, CHANNELS, 160, 144)


def graph(shape, axes=(2, 3), keepdims=0):
    """A mean, and another one behind it that is over channels."""
    nodes = [
        helper.make_node("ReduceMean", ["x", "axes"], ["y"], name="m", keepdims=keepdims),
        helper.make_node("ReduceMean", ["y", "one"], ["z"], name="n", keepdims=1),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    z = helper.make_tensor_value_info(
        "z", TensorProto.FLOAT, list("abcd") if keepdims else list("ab")
    )
    arrays = {"axes": np.array(axes, np.int64), "one": np.array([1], np.int64)}
    kept = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    made = helper.make_graph(nodes, "g", [x], [z], kept)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def parted(model):
    again = ir.serde.deserialize_model(model)
    part_means(again)
    after = ir.serde.serialize_model(again)
    onnx.checker.check_model(after)
    return after


def played(model, x):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x})[0]


def off(found, x, keepdims):
    expected = x.astype(np.float64).mean((2, 3), keepdims=bool(keepdims)).mean(1, keepdims=True)
    assert found.shape == expected.shape
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("axes", [(2, 3), (-1, -2), (-1, 2)])
@pytest.mark.parametrize(
    "shape", [LARGE, ("batch", CHANNELS, 160, 144), (1, CHANNELS, "h", "w")], ids=str
)
def test_a_large_map_and_one_of_any_size(shape, axes, keepdims):
    """A bit of float32 is 6e-8. Of equal values, all roundings of a sum are to the same side."""
    model = graph(shape, axes, keepdims)
    after = parted(model)
    assert [node.op_type for node in after.graph.node] == ["ReduceMean"] * 3
    x = np.full(LARGE, 1 / 3, np.float32) * np.arange(1, CHANNELS + 1).reshape(-1, 1, 1)
    x = x.astype(np.float32)
    assert off(played(after, x), x, keepdims) < 5e-7 < 5e-6 < off(played(model, x), x, keepdims)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((2, CHANNELS, 12, 16), (2, 3)), (LARGE, (3,)), (LARGE, (0, 1)), (LARGE, (1, 2))],
    ids=str,
)
def test_other_means_stay(shape, axes):
    model = graph(shape, axes, keepdims=1)
    assert parted(model).graph.node == model.graph.node
