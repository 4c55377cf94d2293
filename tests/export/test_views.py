"""Views of views in an ONNX graph."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnxscript import ir

from odconv.exporting.views import join_views

SHAPE = (2, 6)
ARRAYS = {
    "parts": (2, 3, 2),
    "lead": (0, 3),  # axes of five
    "five": (1, 2, 3, 1, 2),
    "four": (2, 3, 1, 2),
    "back": (2, 6),
    "wide": (2, 3, 2, 2),
}


def graph(nodes, shapes, outputs=("z",)):
    """Of operators "Kind input array output", whose values have the shapes that are given."""
    made = []
    for kind, value, array, output in map(str.split, nodes):
        inputs = [value] if array == "-" else [value, array]
        made.append(helper.make_node(kind, inputs, [output], name=f"n_{output}"))
    infos = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    }
    kept = [numpy_helper.from_array(np.array(a, np.int64), name) for name, a in ARRAYS.items()]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)
    inner = [info for name, info in infos.items() if name not in outputs]
    ends = [infos[name] for name in outputs]
    found = helper.make_graph(made, "g", [x], ends, kept, value_info=inner)
    return helper.make_model(found, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def joined(model):
    again = ir.serde.deserialize_model(model)
    join_views(again)
    after = ir.serde.serialize_model(again)
    onnx.checker.check_model(after, full_check=True)
    x = np.random.default_rng(8).standard_normal(SHAPE, np.float32)
    before, now = (ReferenceEvaluator(one).run(None, {"x": x}) for one in (model, after))
    for found, expected in zip(now, before, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert [value.name for value in after.graph.output] == [v.name for v in model.graph.output]
    return [node.op_type for node in after.graph.node]


A, B, C = {"a": (2, 3, 2)}, {"b": (1, 2, 3, 1, 2)}, {"c": (2, 3, 1, 2)}


def test_a_chain_becomes_one():
    nodes = ("Reshape x parts a", "Unsqueeze a lead b", "Reshape b four c", "Relu c - z")
    assert joined(graph(nodes, {**A, **B, **C, "z": (2, 3, 1, 2)})) == ["Reshape", "Relu"]


def test_a_view_that_others_need_stays():
    nodes = ("Reshape x parts a", "Unsqueeze a lead z", "Relu a - y")
    found = joined(graph(nodes, {**A, "z": (1, 2, 3, 1, 2), "y": (2, 3, 2)}, ("y", "z")))
    assert sorted(found) == ["Relu", "Reshape", "Reshape"]


def test_an_output_keeps_its_name():
    nodes = ("Reshape x parts a", "Reshape a back z")
    assert joined(graph(nodes, {**A, "z": (2, 6)})) == ["Reshape"]


def test_an_expansion_to_the_same_shape_is_a_view():
    nodes = ("Reshape x parts a", "Expand a parts b", "Reshape b four c", "Relu c - z")
    shapes = {**A, "b": (2, 3, 2), **C, "z": (2, 3, 1, 2)}
    assert joined(graph(nodes, shapes)) == ["Reshape", "Relu"]


@pytest.mark.parametrize("shape", [None, ("n", 3, 1, 2)], ids=str)
def test_a_view_of_unknown_shape_stays(shape):
    nodes = ("Reshape x parts a", "Reshape a four c", "Relu c - z")
    shapes = {**A, "z": (2, 3, 1, 2)} | ({} if shape is None else {"c": shape})
    assert joined(graph(nodes, shapes)) == ["Reshape", "Reshape", "Relu"]


def test_a_view_back_is_none():
    nodes = ("Reshape x parts a", "Unsqueeze a lead b", "Reshape b back c", "Relu c - z")
    assert joined(graph(nodes, {**A, **B, "c": (2, 6), "z": (2, 6)})) == ["Relu"]


def test_a_larger_map_is_no_view():
    nodes = ("Reshape x four a", "Expand a wide b", "Reshape b parts c", "Relu c - z")
    shapes = {"a": (2, 3, 1, 2), "b": (2, 3, 2, 2), "c": (2, 3, 4), "z": (2, 3, 4)}
    model = graph(nodes, shapes)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.array([2, 3, 4]), "parts"))
    assert joined(model) == ["Reshape", "Expand", "Reshape", "Relu"]
