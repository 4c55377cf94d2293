"""Biases behind convolutions with computed kernels, in an ONNX graph."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnxscript import ir

from odconv.exporting.biases import fold_biases

OUT, IN = 3, 2


def graph(bias, taken=False):
    """Conv(x, factor * kernel) + bias, of a convolution that has a bias already or none."""
    draw = np.random.default_rng(7).standard_normal
    arrays = {
        "factor": draw((OUT, 1, 1, 1), np.float32),
        "kernel": draw((OUT, IN, 3, 1), np.float32),
        "first": draw(OUT, np.float32),
        "bias": bias,
    }
    inputs = ["x", "computed", *["first"][: int(taken)]]
    nodes = [
        helper.make_node("Mul", ["factor", "kernel"], ["computed"]),
        helper.make_node("Conv", inputs, ["y"], strides=[2, 1], pads=[1, 0, 1, 0]),
        helper.make_node("Add", ["y", "bias"], ["z"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, IN, 7, 5])
    z = helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, OUT, 4, 5])
    computed = helper.make_tensor_value_info("computed", TensorProto.FLOAT, [OUT, IN, 3, 1])
    kept = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    opset = [helper.make_opsetid("", 18)]
    made = helper.make_graph(nodes, "g", [x], [z], kept, value_info=[computed])
    return helper.make_model(made, opset_imports=opset, ir_version=10)


def folded(model):
    """The graph afterwards, which computes the same."""
    again = ir.serde.deserialize_model(model)
    fold_biases(again)
    after = ir.serde.serialize_model(again)
    onnx.checker.check_model(after)
    x = np.random.default_rng(8).standard_normal((1, IN, 7, 5), np.float32)
    before, now = (ReferenceEvaluator(one).run(None, {"x": x})[0] for one in (model, after))
    np.testing.assert_allclose(now, before, rtol=1e-6, atol=1e-6)
    return [node.op_type for node in after.graph.node]


@pytest.mark.parametrize("shape", [(1, OUT, 1, 1), (OUT, 1, 1)])
def test_a_number_for_each_channel_is_the_bias_of_the_convolution(shape):
    bias = np.random.default_rng(9).standard_normal(shape, np.float32)
    assert folded(graph(bias)) == ["Mul", "Conv"]


@pytest.mark.parametrize("shape", [(), (1, 1, 1, 1), (1, 1, 1, 5), (1, OUT, 1, 5), (1, 1, 4, 1)])
def test_other_constants_stay(shape):
    bias = np.random.default_rng(9).standard_normal(shape, np.float32)
    assert folded(graph(bias)) == ["Mul", "Conv", "Add"]


def test_a_second_bias_stays():
    bias = np.random.default_rng(9).standard_normal((OUT, 1, 1), np.float32)
    assert folded(graph(bias, taken=True)) == ["Mul", "Conv", "Add"]
