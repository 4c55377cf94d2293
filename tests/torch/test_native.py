"""The compiled operation beside the plain path and its own formula in float64."""

from __future__ import annotations

import copy
import threading

import pytest
import torch
from helpers import random_map, randomised
from native_kit import forced, needs_compiler
from torch.func import jvp, vmap
from torch.utils._python_dispatch import TorchDispatchMode

from odconv_torch import (
    CondConv2d,
    DyConv2d,
    ODConv1d,
    ODConv2d,
    ODConv3d,
    create_model,
    optimize_for_inference,
    set_strategy,
)
from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.functional import od_conv


class Calls(TorchDispatchMode):
    """Whether the operation is among those that run."""

    found = False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.found |= func is torch.ops.odconv.dynamic_conv.default
        return func(*args, **(kwargs or {}))


def close(actual, expected, tolerance=2e-5):
    assert actual.shape == expected.shape and actual.dtype == expected.dtype
    assert (actual - expected).abs().max() <= tolerance * expected.abs().max()


def meets_the_formula(layer, x, takes=True):
    """Compares a layer in the operation with itself in float64."""
    exact = copy.deepcopy(layer).double().eval()
    with torch.no_grad(), Calls() as calls:
        found = forced(layer)(x)
    with torch.no_grad():
        close(found, exact(x.double()).float())
    assert calls.found == takes


GEOMETRIES = {
    "plain": (16, 32, 3, {"padding": 1}),
    "pointwise": (16, 33, 1, {}),
    "pointwise with a step": (16, 33, 1, {"stride": 2, "padding": (0, 1)}),
    "not square": (6, 10, (3, 2), {"padding": (2, 0), "stride": (2, 1)}),
    "dilated": (6, 70, (2, 3), {"padding": (1, 4), "dilation": (2, 3)}),
    "groups": (12, 66, 3, {"padding": 1, "groups": 6}),
    "more padding than taps": (3, 4, (1, 3), {"padding": (2, 5), "stride": 3}),
    "deep": (131, 40, 3, {"padding": 1}),
    "one position": (5, 4, (7, 8), {}),
    "biased": (16, 34, 3, {"bias": True}),
    "one kernel": (16, 32, 3, {"padding": 1, "kernel_num": 1}),
    "many kernels": (16, 32, 3, {"padding": 1, "kernel_num": 7}),
    "pointwise with a bias": (35, 33, 1, {"bias": True}),
    "pointwise with one kernel": (35, 33, 1, {"kernel_num": 1, "bias": True}),
    "pointwise on a small map": (2, 3, 1, {"kernel_num": 1, "attentions": ("channel", "filter")}),
    "pointwise with a small kernel": (70, 90, 1, {"kernel_num": 1, "attentions": ("filter",)}),
    "pointwise with a large kernel": (520, 530, 1, {"bias": True}),
    "depthwise": (35, 35, 3, {"padding": 1, "groups": 35}),
    "depthwise with a step": (35, 35, 3, {"padding": 1, "groups": 35, "stride": 2, "bias": True}),
    "depthwise of five taps": (17, 17, 5, {"padding": 2, "groups": 17, "kernel_num": 1}),
    "depthwise, not square": (
        *(17, 17, (2, 3)),
        {"padding": (1, 4), "dilation": (2, 3), "stride": (3, 2), "groups": 17},
    ),
    "depthwise, more padding than taps": (
        *(5, 5, (1, 3)),
        {"padding": (2, 5), "stride": 3, "groups": 5},
    ),
    "depthwise on one position": (3, 3, (7, 8), {"groups": 3, "kernel_num": 1}),
}


@needs_compiler
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_layers_of_every_geometry(native_library, geometry, batch, layout):
    ins, outs, kernel, options = GEOMETRIES[geometry]
    layer = randomised(ODConv2d(ins, outs, kernel, **options))
    x = random_map(2, ins, batch, torch.float32).to(memory_format=layout)
    meets_the_formula(layer, x)
    with torch.no_grad():
        y = forced(layer)(x)
    assert y.is_contiguous(memory_format=layout)


@needs_compiler
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (9, 16), (13, 19), (31, 34), (4, 70)])
def test_depthwise_layers_on_maps_of_every_size(native_library, size, stride, layout):
    layer = randomised(ODConv2d(19, 19, 3, stride=stride, padding=1, groups=19))
    meets_the_formula(layer, torch.randn(2, 19, *size).to(memory_format=layout))


@needs_compiler
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("outs", [1, 24, 49, 144])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 4), (3, 3), (7, 7), (31, 34)])
def test_pointwise_layers_on_maps_of_every_size(native_library, size, outs, layout):
    layer = randomised(ODConv2d(19, outs, 1, bias=True))
    meets_the_formula(layer, torch.randn(2, 19, *size).to(memory_format=layout))


@needs_compiler
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (9, 16), (13, 19), (31, 34)])
def test_maps_of_every_size(native_library, size):
    layer = randomised(ODConv2d(130, 40, 3, padding=1))
    meets_the_formula(layer, torch.randn(9, 130, *size))


@needs_compiler
@pytest.mark.parametrize(
    "options",
    [
        {"attentions": (), "kernel_num": 1},
        {"attentions": ("channel",), "kernel_num": 1},
        {"attentions": ("filter", "kernel"), "bias": True},
        {"attentions": ("spatial", "kernel"), "spatial_activation": "softmax"},
    ],
)
def test_some_attentions(native_library, options):
    layer = randomised(ODConv2d(8, 12, 3, padding=1, **options))
    meets_the_formula(layer, random_map(2, 8, 3, torch.float32))


@needs_compiler
@pytest.mark.parametrize(
    "layer", [DyConv2d(8, 12, 3, bias=True), CondConv2d(8, 12, 3, bias=True), ODConv1d(8, 12, 3)]
)
def test_other_layers(native_library, layer):
    rank = layer.spec.rank
    meets_the_formula(randomised(layer), random_map(rank, 8, 3, torch.float32))


@needs_compiler
@pytest.mark.parametrize(
    "layer",
    [ODConv3d(4, 6, 3), ODConv2d(4, 8, 3, groups=4), ODConv2d(4, 6, 3, attention_sharing=False)],
)
def test_layers_that_it_is_not_for(native_library, layer):
    meets_the_formula(randomised(layer), random_map(layer.rank, 4, 3, torch.float32), takes=False)


@needs_compiler
def test_maps_whose_patches_are_large(native_library):
    layer = randomised(ODConv2d(114, 2, 3, padding=1))
    meets_the_formula(layer, torch.randn(1, 114, 64, 65), takes=False)
    meets_the_formula(layer, torch.randn(1, 114, 64, 64))


@needs_compiler
def test_uneven_padding(native_library):
    layer = randomised(ODConv2d(4, 6, (2, 3), padding="same"))
    meets_the_formula(layer, random_map(2, 4, 3, torch.float32), takes=False)


@needs_compiler
@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.to(memory_format=torch.channels_last),
        lambda x: x.transpose(2, 3),
        lambda x: x[:, :, ::2, 1:],
        lambda x: x[:1].expand(3, -1, -1, -1),
    ],
)
@pytest.mark.parametrize("options", [{}, {"groups": 8}])
@pytest.mark.parametrize("taps", [1, 3])
def test_maps_in_other_layouts(native_library, change, taps, options):
    layer = randomised(ODConv2d(8, 8, taps, padding=taps // 2, **options))
    meets_the_formula(layer, change(random_map(2, 8, 3, torch.float32)))


@needs_compiler
def test_a_bank_in_another_layout(native_library):
    layer = randomised(ODConv2d(8, 12, 3))
    layer.weight = torch.nn.Parameter(layer.weight.detach().transpose(3, 4))
    meets_the_formula(layer, random_map(2, 8, 3, torch.float32))


@needs_compiler
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_depthwise_value_that_is_no_number(native_library, value, layout):
    x, weight = torch.rand(2, 18, 9, 11), torch.rand(3, 18, 1, 3, 3)
    x[1, 17, 4, 6] = value
    found = torch.ops.odconv.dynamic_conv(
        *(x.to(memory_format=layout), weight, None, None, None, torch.rand(2, 3), None),
        *([1, 1], [1, 1], [1, 1], 18),
    )
    assert (~found.isfinite()).sum() == 9 and (~found[1, 17].isfinite()).sum() == 9


@needs_compiler
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_no_numbers(native_library, value):
    """They reach the positions that see them, and no other."""
    x, weight = torch.rand(2, 5, 9, 11), torch.rand(3, 33, 5, 3, 3)
    x[1, 2, 4, 6] = value
    attentions = Attentions(torch.rand(2, 5, 1, 1), kernel=torch.rand(2, 3))
    found = torch.ops.odconv.dynamic_conv(x, weight, *attentions, None, [1, 1], [1, 1], [1, 1], 1)
    expected = od_conv(x, weight, attentions, padding=((1, 1), (1, 1)))
    assert (~found.isfinite()).sum() == 33 * 9
    torch.testing.assert_close(found, expected, equal_nan=True)


@needs_compiler
def test_what_is_no_inference_takes_the_plain_path(native_library):
    layer, x = randomised(ODConv2d(8, 12, 3)).eval(), random_map(2, 8, 3, torch.float32)
    fast = forced(layer)
    with Calls() as calls:
        trained = fast(x)
        trained.sum().backward()
        with torch.no_grad():
            empty = fast(x[:0])
            double = copy.deepcopy(fast).double()(x.double())
            with torch.autocast("cpu", torch.bfloat16):
                low = fast(x)
            change = jvp(fast, (x,), (x,))[1]
    assert not calls.found
    with torch.no_grad():
        close(trained, layer(x), 1e-6)
        close(double.float(), layer(x))
        torch.testing.assert_close(change, jvp(layer, (x,), (x,))[1])
    assert empty.shape == (0, 12, 5, 6) and low.dtype == torch.bfloat16
    assert fast.weight.grad is not None


@needs_compiler
def test_vmap_agrees(native_library):
    layer, x = randomised(ODConv2d(8, 12, 3)).eval(), torch.randn(4, 2, 8, 7, 8)
    with torch.no_grad():
        close(vmap(forced(layer))(x), torch.stack([layer(part) for part in x]))


@needs_compiler
def test_recorded_graphs_do_not_have_it(native_library):
    layer, x = randomised(ODConv2d(8, 12, 3)).eval(), random_map(2, 8, 2, torch.float32)
    fast = forced(layer)
    with torch.no_grad():
        program = torch.export.export(fast, (x,))
        assert "odconv" not in str(program.graph)
        close(program.module()(x), layer(x))
        close(torch.compile(fast, backend="aot_eager", fullgraph=True)(x), layer(x))


@needs_compiler
@pytest.mark.parametrize("rows", [None, (12,), (3, 12)])
def test_the_operation_is_a_proper_one(native_library, rows):
    """Its schema, its shapes without values, and a graph that holds any batch."""
    x, weight = torch.randn(3, 8, 7, 9), torch.randn(4, 12, 4, 3, 2)
    factors = (torch.rand(3, 8, 1, 1), torch.rand(3, 12, 1, 1), torch.rand(3, 1, 1, 3, 2))
    bias = None if rows is None else torch.randn(rows)
    given = (x, weight, *factors, torch.rand(3, 4), bias, [2, 1], [1, 0], [1, 2], 2)
    torch.library.opcheck(torch.ops.odconv.dynamic_conv.default, given)
    last = x.to(memory_format=torch.channels_last)
    torch.library.opcheck(torch.ops.odconv.dynamic_conv.default, (last, *given[1:]))


@needs_compiler
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_operation_is_a_proper_one_for_depthwise_layers(native_library, layout):
    x, weight = torch.randn(3, 6, 7, 9).to(memory_format=layout), torch.randn(1, 6, 1, 3, 2)
    given = (x, weight, torch.rand(3, 6, 1, 1), None, None, None, None, [2, 1], [1, 0], [1, 2], 6)
    torch.library.opcheck(torch.ops.odconv.dynamic_conv.default, given)


@needs_compiler
@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (0, torch.rand(2, 7, 8, 9)),
        (0, torch.rand(2, 8, 2, 9)),
        (0, torch.rand(2, 8, 8, 9).double()),
        (1, torch.rand(4, 12, 8, 3)),
        (1, torch.rand(0, 12, 8, 3, 3)),
        (1, torch.rand(4, 12, 8, 0, 3)),
        (2, torch.rand(1, 8, 1, 1)),
        (3, torch.rand(2, 8, 1, 1)),
        (4, torch.rand(2, 1, 1, 2, 3)),
        (5, torch.rand(2, 3)),
        (5, None),
        (6, torch.rand(2, 2, 12)),
        (7, [0, 1]),
        (8, [0, 0, 0]),
        (10, 5),
    ],
)
def test_wrong_arguments_are_named(native_library, place, wrong):
    given = [torch.rand(2, 8, 8, 9), torch.rand(4, 12, 8, 3, 3), *(None,) * 3, torch.rand(2, 4)]
    given += [None, [1, 1], [0, 0], [1, 1], 1]
    torch.ops.odconv.dynamic_conv(*given)
    given[place] = wrong
    with pytest.raises(RuntimeError, match=r"odconv::dynamic_conv: expected"):
        torch.ops.odconv.dynamic_conv(*given)


@needs_compiler
def test_threads_do_not_disturb_each_other(native_library):
    layer = forced(randomised(ODConv2d(32, 40, 3, padding=1)))
    maps = [torch.randn(2, 32, 9, 10) for _ in range(6)]
    found = {}

    def run(index):
        with torch.no_grad():
            found[index] = [layer(maps[index]) for _ in range(5)]

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(maps))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with torch.no_grad():
        for index, x in enumerate(maps):
            assert all(torch.equal(y, layer(x)) for y in found[index])


@needs_compiler
@pytest.mark.parametrize(
    "name", ["od_resnet18", "od_mobilenetv2_050", "dy_mobilenetv2_050", "cond_resnet18"]
)
def test_networks(native_library, name):
    """By the usual costs, which choose it for some of the layers."""
    model, x = create_model(name, num_classes=7).eval(), torch.randn(2, 3, 64, 96)
    plain = copy.deepcopy(model)
    set_strategy(model, "native")
    with torch.inference_mode(), Calls() as calls:
        found = model(x)
    with torch.inference_mode():
        close(found, plain(x))
        close(optimize_for_inference(model)(x), plain(x))
    assert calls.found
