"""Kernels of linear layers as integers: a quarter of the bytes, and nearly the same numbers."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from odconv.exporting.stored_integers import store_as_integers

IN, OUT = 24, 7


def graph(kind):
    """A linear layer, whose rows differ in size, and one whose kernel is the layer's output."""
    draw = np.random.default_rng(3).standard_normal
    kernel = draw((IN, OUT), np.float32) * 10.0 ** np.arange(OUT, dtype=np.float32)
    kernel[:, 2] = 0
    turned = {"transB": 1} if kind == "transposed" else {}
    arrays = {"w": kernel.T.copy() if turned else kernel, "b": draw(OUT, np.float32)}
    inputs = ["x", "w"] if kind == "MatMul" else ["x", "w", "b"]
    operator = "MatMul" if kind == "MatMul" else "Gemm"
    nodes = [helper.make_node(operator, inputs, ["y"], "the layer", **turned)]
    nodes.append(helper.make_node("MatMul", ["x", "y"], ["z"], "of two maps"))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [IN, IN])
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [IN, OUT]) for n in "yz"]
    kept = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    made = helper.make_graph(nodes, "g", [x], ends, kept)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 19)], ir_version=10)


@pytest.mark.parametrize("kind", ["MatMul", "Gemm", "transposed"])
def test_the_kernel_is_an_integer_and_a_scale_for_each_output(kind):
    model, x = graph(kind), np.random.default_rng(4).standard_normal((IN, IN), np.float32)
    before = ReferenceEvaluator(model).run(None, {"x": x})[0]
    store_as_integers(model, {"the layer", "of two maps"})
    onnx.checker.check_model(model)
    after = ReferenceEvaluator(model).run(None, {"x": x})[0]
    scale = np.abs(before).max(0) + 1e-6
    assert np.abs(after - before).max() > 0 and (np.abs(after - before) / scale).max() < 0.02
    kinds = {array.data_type: list(array.dims) for array in model.graph.initializer}
    assert sorted(kinds[TensorProto.INT8]) == [OUT, IN] and [OUT] in kinds.values()


def test_other_layers_keep_their_floats():
    model = graph("Gemm")
    store_as_integers(model, {"another"})
    assert {array.data_type for array in model.graph.initializer} == {TensorProto.FLOAT}
