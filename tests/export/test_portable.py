"""What graphs of the form portable are made of."""

from __future__ import annotations

import re
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from odconv.exporting.portable import check_portable
from odconv_torch import create_model
from tests.quick import quick_rows
from weights_converter.errors import MismatchError

PAGE = Path(__file__).parents[2] / "docs" / "export.md"
WIDTHS = {"stem_channels": 8, "num_classes": 5}
NETWORKS = [
    ("od_mobilenetv2_050", {"kernel_num": 4}),
    ("od_resnet18", {"kernel_num": 1, "stages": [[8, 1], [12, 1]], **WIDTHS}),
    ("dy_resnet18", {"stages": [[8, 1], [12, 1]], **WIDTHS}),
    ("cond_resnet18", {"stages": [[8, 1], [12, 1]], **WIDTHS}),
    ("se_mobilenetv2_050", {}),
    ("cbam_resnet18", {"stages": [[8, 1], [12, 1]], **WIDTHS}),
    ("eca_resnet18", {"stages": [[8, 1], [12, 1]], **WIDTHS}),
    ("we_resnet18", {"stages": [[8, 1], [12, 1]], **WIDTHS}),
]


@pytest.mark.parametrize("computed", [False, True])
def test_a_portable_graph_has_no_computed_kernel(computed, tmp_path):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 4, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 4, 4])
    kernel = helper.make_tensor("k", TensorProto.FLOAT, [1, 1, 1, 1], [2.0])
    nodes = [helper.make_node("Neg", ["k"], ["w"])] if computed else []
    nodes.append(helper.make_node("Conv", ["x", "w" if computed else "k"], ["y"], "the conv"))
    graph = helper.make_graph(nodes, "g", [x], [y], [kernel])
    onnx.save(helper.make_model(graph), tmp_path / "a.onnx")
    if not computed:
        check_portable(tmp_path / "a.onnx")
        return
    with pytest.raises(MismatchError, match=r"1 convolutions have a computed kernel.*the conv"):
        check_portable(tmp_path / "a.onnx")


def test_a_portable_graph_has_the_operators_of_the_page(portable):
    of_page(portable)


@pytest.mark.parametrize(("name", "options"), quick_rows((), NETWORKS))
def test_every_network_has_the_operators_of_the_page(name, options, tmp_path):
    from odconv import export_onnx

    path = tmp_path / "a.onnx"
    export_onnx(create_model(name, **options).eval(), path, (3, 64, 64), form="portable")
    of_page(path)


def of_page(path):
    """No other operators, no computed kernel, no map of more than four axes."""
    graph = onnx.shape_inference.infer_shapes(onnx.load(path)).graph
    assert {node.op_type for node in graph.node} <= operators()
    fixed = {array.name for array in graph.initializer}
    convs = [node for node in graph.node if node.op_type == "Conv"]
    assert len(convs) >= 5 and {node.input[1] for node in convs} <= fixed
    ranks = [len(value.type.tensor_type.shape.dim) for value in graph.value_info]
    assert max(ranks) == 4


def operators():
    (listed,) = re.findall("made of (.*), and nothing else", PAGE.read_text(encoding="utf-8"))
    return set(re.split(", | and ", listed))
