"""Samples that are groups of one convolution: biases and activations behind the reshaping."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnxscript import ir

from odconv.exporting.grouped_samples import join_what_follows

BATCH, OUT, IN = 2, 3, 2
PARTED, WHOLE = [BATCH, OUT, 4, 5], [1, BATCH * OUT, 4, 5]


def graph(bias, activation="Clip", parted=PARTED, also=()):
    """Activation(Reshape(Conv(x, factor * kernel)) + bias), as the form `folded` has it."""
    draw = np.random.default_rng(7).standard_normal
    arrays = {
        "factor": draw((BATCH * OUT, 1, 1, 1), np.float32),
        "kernel": draw((BATCH * OUT, IN, 3, 1), np.float32),
        "bias": bias,
        "parted": np.array(parted, np.int64),
        "low": np.float32(0),
        "high": np.float32(0.4),
    }
    limits = ["low", "high"] if activation == "Clip" else []
    nodes = [
        helper.make_node("Mul", ["factor", "kernel"], ["computed"]),
        helper.make_node(
            "Conv", ["x", "computed"], ["y"], strides=[2, 1], pads=[1, 0, 1, 0], group=BATCH
        ),
        helper.make_node("Reshape", ["y", "parted"], ["z"]),
        helper.make_node("Add", ["bias", "z"], ["a"]),
        helper.make_node(activation, ["a", *limits], ["b"]),
        helper.make_node("Neg", ["b"], ["end"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, BATCH * IN, 7, 5])
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("end", *also)]
    kept = [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()]
    opset = [helper.make_opsetid("", 18)]
    made = helper.make_graph(nodes, "g", [x], ends, kept)
    whole = helper.make_model(made, opset_imports=opset, ir_version=10)
    return onnx.shape_inference.infer_shapes(whole)


def joined(model):
    """The operators afterwards, which compute the same."""
    again = ir.serde.deserialize_model(model)
    join_what_follows(again)
    after = ir.serde.serialize_model(again)
    onnx.checker.check_model(after)
    x = np.random.default_rng(8).standard_normal((1, BATCH * IN, 7, 5), np.float32)
    found = (ReferenceEvaluator(one).run(None, {"x": x}) for one in (model, after))
    for before, now in zip(*found, strict=True):
        np.testing.assert_allclose(now, before, rtol=1e-6, atol=1e-6)
    return [node.op_type for node in after.graph.node]


def bias_of(*shape):
    return np.random.default_rng(9).standard_normal(shape, np.float32)


@pytest.mark.parametrize("activation", ["Clip", "Relu"])
@pytest.mark.parametrize("shape", [(1, OUT, 1, 1), (OUT, 1, 1)])
def test_the_bias_is_that_of_each_sample_and_the_activation_follows(shape, activation):
    found = joined(graph(bias_of(*shape), activation))
    assert found == ["Mul", "Conv", activation, "Reshape", "Neg"]


@pytest.mark.parametrize("shape", [(), (1, OUT, 1, 5), (1, 1, 4, 1), (BATCH, OUT, 1, 1)])
def test_other_constants_stay(shape):
    found = joined(graph(bias_of(*shape)))
    assert found == ["Mul", "Conv", "Reshape", "Add", "Clip", "Neg"]


def test_what_the_graph_gives_stays():
    assert joined(graph(bias_of(OUT, 1, 1), also=("b",)))[-3:] == ["Reshape", "Clip", "Neg"]
    assert joined(graph(bias_of(OUT, 1, 1), also=("a",)))[2:4] == ["Reshape", "Add"]


def test_another_activation_stays_behind_the_bias():
    found = joined(graph(bias_of(OUT, 1, 1), "Sigmoid"))
    assert found == ["Mul", "Conv", "Reshape", "Sigmoid", "Neg"]


@pytest.mark.parametrize(
    ("parted", "also"), [(WHOLE, ()), ([OUT, BATCH, 4, 5], ()), (PARTED, ("y",)), (PARTED, ("z",))]
)
def test_another_reshaping_or_one_that_something_else_needs_stays(parted, also):
    bias = bias_of(1, 1, 1, 1) if parted[1] != OUT else bias_of(1, OUT, 1, 1)
    found = joined(graph(bias, parted=parted, also=also))
    assert found == ["Mul", "Conv", "Reshape", "Add", "Clip", "Neg"]
