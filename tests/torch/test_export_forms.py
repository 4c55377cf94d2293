"""The forms of exported graphs: each holds for any batch, and none is another in silence."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from helpers import ABLATIONS, LAYERS, random_map, randomised
from torch.export import Dim, export

from odconv_torch import ODConv2d, layers, set_strategy
from odconv_torch.layers.forms.cost_model import FIXED_BATCH, FORMS, GRAPH_FORMS
from tests.quick import quick_rows

ANY_BATCH = ("compact", "portable")
GEOMETRIES = (
    ("od", 2, {"kernel_size": 3, "padding": 1, "stride": 2}),
    ("od", 2, {"kernel_size": (3, 2), "padding": "same", "padding_mode": "reflect", "bias": True}),
    ("od", 2, {"kernel_size": 3, "groups": 4, "dilation": 2, "padding": 2}),
    ("od", 2, {"kernel_size": 3, "groups": 4, "kernel_num": 1}),
    ("od", 2, {"kernel_size": 1, "groups": 2, "kernel_num": 1, "stride": 2}),
    ("od", 1, {"kernel_size": 3, "padding": ((0, 2),)}),
    ("od", 3, {"kernel_size": 2}),
    *(("od", 2, {"kernel_size": (3, 2), "groups": 2, **options}) for options in ABLATIONS),
    ("dy", 2, {"kernel_size": 3, "groups": 2, "bias": True}),
    ("cond", 2, {"kernel_size": 3, "padding": 1, "bias": True}),
    ("cond", 3, {"kernel_size": 1}),
)
QUICK = (GEOMETRIES[0], GEOMETRIES[2], GEOMETRIES[-2])
OTHERS = {
    "cgc": layers.CGConv2d,
    "weightnet": layers.WeightNetConv2d,
    "we": layers.WEConv2d,
    "dcd": layers.DCDConv2d,
    "kw": layers.KWConv2d,
}
SAMPLES = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning"
)


def built(kind, rank, options):
    layer = LAYERS[kind][rank - 1](4, 8, dtype=torch.float64, **options)
    return randomised(layer, rank).eval()


def holds(recorded, layer, rank=2, channels=4):
    for batch in (1, 2, 5):
        x = random_map(rank, channels, batch)
        torch.testing.assert_close(recorded(x), layer(x), rtol=1e-11, atol=1e-11)


@SAMPLES
@pytest.mark.parametrize("form", ANY_BATCH)
@pytest.mark.parametrize(("kind", "rank", "options"), GEOMETRIES)
def test_a_trace_holds_for_any_batch(form, kind, rank, options):
    layer = built(kind, rank, options)
    set_strategy(layer, form)
    with torch.no_grad():
        traced = torch.jit.trace(layer, (random_map(rank, 4, 3),))
        set_strategy(layer, "grouped")
        holds(traced, layer, rank)


@SAMPLES
@pytest.mark.parametrize("form", ANY_BATCH)
def test_a_trace_holds_for_any_map(form):
    layer = built("od", 2, {"kernel_size": 3, "padding": 1})
    set_strategy(layer, form)
    with torch.no_grad():
        traced = torch.jit.trace(layer, (random_map(2, 4, 3),))
        x = torch.randn(2, 4, 5, 12, dtype=torch.float64)
        torch.testing.assert_close(traced(x), layer(x), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("form", ANY_BATCH)
@pytest.mark.parametrize(("kind", "rank", "options"), quick_rows(QUICK, GEOMETRIES))
def test_an_exported_program_of_each_form(form, kind, rank, options):
    layer = built(kind, rank, options)
    set_strategy(layer, form)
    shapes = ({0: Dim("batch")},)
    with torch.no_grad():
        program = export(layer, (random_map(rank, 4, 3),), dynamic_shapes=shapes).module()
        set_strategy(layer, "grouped")
        holds(program, layer, rank)


@SAMPLES
@pytest.mark.parametrize("kind", OTHERS)
def test_other_kinds_hold_for_any_batch(kind):
    layer = randomised(OTHERS[kind](16, 16, 3, padding=1, dtype=torch.float64)).eval()
    with torch.no_grad():
        traced = torch.jit.trace(layer, (random_map(2, 16, 3),))
        holds(traced, layer, channels=16)


@pytest.mark.parametrize("form", ["compact", *FIXED_BATCH])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("options", GEOMETRIES[2:4], ids=["4x", "1x"])
def test_depthwise_layers_of_a_fixed_batch_are_one_convolution(form, batch, options):
    layer = built(*options)
    set_strategy(layer, form)
    x = random_map(2, 4, batch)
    with torch.no_grad():
        program = export(layer, (x,))
        calls = [n for n in program.graph.nodes if "conv2d" in str(n.target)]
        torch.testing.assert_close(program.module()(x), layer(x), rtol=1e-11, atol=1e-11)
    assert len(calls) == 1


@pytest.mark.parametrize("form", FIXED_BATCH)
@pytest.mark.parametrize("free", [False, True], ids=["fixed", "free"])
@pytest.mark.parametrize(("kind", "rank", "options"), quick_rows(QUICK, GEOMETRIES))
def test_a_graph_of_one_sample_is_one_convolution_of_any_size(kind, rank, options, free, form):
    layer = built(kind, rank, options)
    set_strategy(layer, form)
    x = random_map(rank, 4, 1)
    axes = dict.fromkeys(range(2, x.dim()), Dim.AUTO) if free else None
    with torch.no_grad():
        program = export(layer, (x,), dynamic_shapes=(axes,), strict=False)
        torch.testing.assert_close(program.module()(x), layer(x), rtol=1e-11, atol=1e-11)
        if free:
            wider = torch.cat([x, x[..., 1:-1]], -1)
            torch.testing.assert_close(
                program.module()(wider), layer(wider), rtol=1e-11, atol=1e-11
            )
    calls = [node for node in program.graph.nodes if f"conv{rank}d" in str(node.target)]
    assert len(calls) == 1


@pytest.mark.parametrize("form", FIXED_BATCH)
@pytest.mark.parametrize("batch", [1, 3, 17])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    "options",
    [{}, {"kernel_num": 1}, {"attentions": ["filter", "kernel"]}, {"attention_sharing": False}],
    ids=str,
)
def test_kernels_larger_than_the_patches_of_a_map(form, batch, stride, options):
    layer = randomised(ODConv2d(5, 72, 3, stride, 1, bias=True, **options)).double().eval()
    x = random_map(2, 5, batch)[..., :4, :3]
    with torch.no_grad():
        expected = layer(x)
        set_strategy(layer, form)
        program = export(layer, (x,), strict=False)
        torch.testing.assert_close(program.module()(x), expected, rtol=1e-11, atol=1e-11)


def calls_of(program, kind):
    return [node for node in program.graph.nodes if kind in str(node.target)]


@pytest.mark.parametrize("form", FIXED_BATCH)
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_num": 1},
        {"kernel_num": 3},
        {"kernel_num": 1, "attentions": ["filter"]},
        {"kernel_num": 3, "attentions": ["channel", "kernel"]},
        {"kernel_num": 3, "attention_sharing": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("size", [(5, 4), (23, 21)], ids=["small", "large"])
def test_pointwise_layers(form, batch, size, options):
    """Kernels are smaller than a large map and larger than a small one; neither has patches."""
    layer = randomised(ODConv2d(24, 40, 1, bias=True, dtype=torch.float64, **options)).eval()
    x = torch.randn(batch, 24, *size, dtype=torch.float64)
    with torch.no_grad():
        expected = layer(x)
        set_strategy(layer, form)
        program = export(layer, (x,), strict=False)
        torch.testing.assert_close(program.module()(x), expected, rtol=1e-11, atol=1e-11)
    each = batch if form == "single" and options["kernel_num"] > 1 else 1
    assert len(calls_of(program, "conv2d")) == each


def test_a_lone_sample_on_a_large_map_has_all_attentions_in_its_kernel():
    """So that no map is scaled: the bias is what is right behind the convolution."""
    layer = ODConv2d(8, 12, 1, bias=True, kernel_num=1).eval()
    set_strategy(layer, "single")
    for size, scaled in ((30, 0), (2, 2)):
        program = export(layer, (torch.rand(1, 8, size, size),), strict=False)
        products = calls_of(program, "mul")
        assert sum(node.meta["val"].shape[-1] == size for node in products) == scaled


@pytest.mark.parametrize("kernel_num", (1, 4))
def test_the_products_of_a_depthwise_kernel_stand_one_behind_the_other(kernel_num):
    layer = layers.ODConv2d(4, 4, 3, groups=4, kernel_num=kernel_num, dtype=torch.float64)
    randomised(layer, 2).eval()
    x = random_map(2, 4, 1)
    with torch.no_grad():
        expected = layer(x)
        set_strategy(layer, "single")
        program = export(layer, (x,), strict=False)
    inner, outer = calls_of(program, "mul.Tensor")
    assert inner in outer.args
    torch.testing.assert_close(program.module()(x), expected, rtol=1e-11, atol=1e-11)


def test_the_mean_of_a_map_is_a_mean():
    """Whether gradients are on or not: the sum of a large map is too much for half precision."""
    program = export(ODConv2d(4, 8, 3).eval(), (torch.rand(2, 4, 8, 9),))
    targets = [str(node.target) for node in program.graph.nodes]
    assert any("mean" in target for target in targets)
    assert not any("sum" in target for target in targets)


@pytest.mark.parametrize("name", FORMS)
def test_an_exported_graph_refuses_the_forms_of_this_package(name):
    layer = ODConv2d(4, 8, 3).eval()
    set_strategy(layer, name)
    with pytest.raises(ValueError, match=rf"expected one of auto, compact, .*received '{name}'"):
        export(layer, (torch.rand(2, 4, 8, 9),), strict=False)


@pytest.mark.parametrize("form", FIXED_BATCH)
def test_a_graph_of_a_fixed_batch_refuses_a_dynamic_one(form):
    layer = ODConv2d(4, 8, 3).eval()
    set_strategy(layer, form)
    with pytest.raises(ValueError, match=r"fixed number of samples, received a dynamic batch"):
        export(
            layer,
            (torch.rand(2, 4, 8, 9),),
            dynamic_shapes=({0: Dim("batch")},),
            strict=False,
        )


@pytest.mark.parametrize("kind", ["cgc", "kw"])
def test_kernels_of_each_sample_refuse_constant_ones(kind):
    layer = OTHERS[kind](16, 16, 3)
    set_strategy(layer, "portable")
    with pytest.raises(ValueError, match=r"strategy 'portable': .* ask for 'compact', 'single'"):
        layer(torch.rand(2, 16, 8, 9))


@pytest.mark.parametrize(
    ("kind", "form"),
    [p for p in product(OTHERS, GRAPH_FORMS) if p not in (("cgc", "portable"), ("kw", "portable"))],
)
def test_other_kinds_compute_the_same_in_each_form(kind, form):
    layer = randomised(OTHERS[kind](16, 16, 3, padding=1, dtype=torch.float64)).eval()
    x = random_map(2, 16, 3)
    with torch.no_grad():
        expected = layer(x)
        set_strategy(layer, form)
        torch.testing.assert_close(layer(x), expected, rtol=1e-11, atol=1e-11)
