"""Gradients of the compiled operation beside those of the plain path in float64."""

from __future__ import annotations

import copy

import pytest
import torch
from helpers import random_map, randomised
from native_kit import forced, needs_compiler
from torch.func import functional_call, grad, vmap
from torch.utils._python_dispatch import TorchDispatchMode

from odconv_torch import ODConv2d, create_model, set_strategy
from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.native_gradients import MOST_KERNELS
from odconv_torch.layers.functional import od_conv

TOLERANCE = 2e-5  # of the largest value of an array, or of 1: sums of large terms may be small


class Calls(TorchDispatchMode):
    """How often the gradients of the operation run."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.odconv.dynamic_conv_backward.default
        return func(*args, **(kwargs or {}))


def close(actual, expected):
    assert actual.shape == expected.shape
    assert (actual - expected).abs().max() <= TOLERANCE * max(1, expected.abs().max())


def calm(layer):
    """Random arrays, and attentions that are not near 0 and 1, whose slopes rounding changes."""
    randomised(layer)
    with torch.no_grad():
        for name, array in layer.named_parameters():
            if "_fc" in name:
                array.mul_(0.1)
    return layer


def gradients(layer, x, of_output):
    """The output of a layer, and what the input and each array get."""
    x = x.clone(memory_format=torch.preserve_format).requires_grad_()
    layer.zero_grad()
    y = layer(x)
    (y * of_output.to(y.dtype)).sum().backward()
    arrays = {name: array.grad for name, array in layer.named_parameters()}
    return {"output": y.detach(), "input": x.grad, **arrays}


def meets_the_formula(layer, x, takes=True):
    """Compares all gradients with those of the layer in float64."""
    exact = copy.deepcopy(layer).double().eval()
    fast = forced(layer)
    of_output = torch.randn(fast(x).shape)
    with Calls() as calls:
        found = gradients(fast, x, of_output)
    expected = gradients(exact, x.double(), of_output)
    assert found.keys() == expected.keys() and calls.count == takes
    for name, values in expected.items():
        close(found[name], values)
    return found


LAYOUTS = [torch.contiguous_format, torch.channels_last]
GEOMETRIES = {
    "pointwise": (16, 33, 1, {}),
    "pointwise with a bias": (35, 33, 1, {"bias": True}),
    "pointwise with one kernel": (35, 33, 1, {"kernel_num": 1}),
    "pointwise with many kernels": (35, 33, 1, {"kernel_num": 16}),
    "pointwise with some attentions": (35, 33, 1, {"attentions": ("filter", "kernel")}),
    "depthwise": (35, 35, 3, {"padding": 1, "groups": 35}),
    "depthwise with a bias": (35, 35, 3, {"padding": 1, "groups": 35, "bias": True}),
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
    "depthwise without attentions": (
        *(6, 6, 3),
        {"groups": 6, "kernel_num": 1, "attentions": ()},
    ),
}


@needs_compiler
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layers_of_every_geometry(native_library, geometry, batch, layout):
    ins, outs, kernel, options = GEOMETRIES[geometry]
    layer = calm(ODConv2d(ins, outs, kernel, **options))
    x = random_map(2, ins, batch, torch.float32).to(memory_format=layout)
    found = meets_the_formula(layer, x)
    for name in ("output", "input"):
        assert found[name].is_contiguous(memory_format=layout)


@needs_compiler
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_large_kernel(native_library, layout):
    x = torch.randn(3, 520, 7, 8).to(memory_format=layout)
    weight = torch.randn(4, 530, 520, 1, 1)
    factors = torch.rand(3, 520, 1, 1), torch.rand(3, 530, 1, 1), None, torch.rand(3, 4)
    given = [one if one is None else one.double().requires_grad_() for one in (x, weight, *factors)]
    y = od_conv(*given[:2], Attentions(*given[2:]))
    grad = torch.randn(y.shape)
    sources = [one for one in given if one is not None]
    expected = iter(torch.autograd.grad(y, sources, grad.double()))
    geometry = [1, 1], [0, 0], [1, 1], 1
    found = torch.ops.odconv.dynamic_conv_backward(grad, x, weight, *factors, *geometry)
    for one, array in zip(given, found, strict=True):
        if one is not None:
            close(array, next(expected))


@needs_compiler
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (9, 16), (13, 19), (31, 34), (4, 70)])
def test_depthwise_layers_on_maps_of_every_size(native_library, size, stride, layout):
    layer = calm(ODConv2d(83, 83, 3, stride=stride, padding=1, groups=83))
    meets_the_formula(layer, torch.randn(2, 83, *size).to(memory_format=layout))


@needs_compiler
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "layer",
    [
        ODConv2d(8, 12, 3),
        ODConv2d(8, 12, 1, stride=2),
        ODConv2d(8, 12, 1, kernel_num=17),
        ODConv2d(8, 16, 1, groups=8),
        ODConv2d(8, 8, (2, 3), groups=8, padding="same"),
        ODConv2d(8, 8, 1, attention_sharing=False),
    ],
)
def test_layers_that_they_are_not_for(native_library, layer, layout):
    x = random_map(2, 8, 3, torch.float32).to(memory_format=layout)
    meets_the_formula(calm(layer), x, takes=False)


@needs_compiler
@pytest.mark.parametrize("groups", [1, 8])
def test_maps_that_lie_otherwise_take_the_plain_path(native_library, groups):
    layer = calm(ODConv2d(8, 8, 1, groups=groups))
    meets_the_formula(layer, random_map(2, 8, 3, torch.float32).transpose(2, 3), takes=False)


@needs_compiler
@pytest.mark.parametrize("groups", [1, 8])
def test_second_derivatives(native_library, groups):
    """By the plain path: of a sum of squares of all gradients."""
    layer = calm(ODConv2d(8, 8, 1, groups=groups)).eval()
    x = random_map(2, 8, 3, torch.float32)

    def second(layer, x):
        x = x.clone().requires_grad_()
        given = (x, *layer.parameters())
        first = torch.autograd.grad(layer(x).square().sum(), given, create_graph=True)
        return torch.autograd.grad(sum(one.square().sum() for one in first), given)

    exact = second(copy.deepcopy(layer).double(), x.double())
    for found, expected in zip(second(forced(layer), x), exact, strict=True):
        close(found, expected)


@needs_compiler
def test_transforms_take_the_plain_path(native_library):
    layer = forced(calm(ODConv2d(8, 12, 1)))
    x = random_map(2, 8, 3, torch.float32).requires_grad_()
    arrays = dict(layer.named_parameters())

    def loss(arrays, x):
        return functional_call(layer, arrays, (x,)).square().sum()

    with Calls() as calls:
        found = grad(loss)(arrays, x)
        each = vmap(grad(loss), (None, 0))(arrays, x[:, None])
        y = layer(x).flatten()[:4]
        rows = torch.autograd.grad(y, x, torch.eye(4), is_grads_batched=True, retain_graph=True)[0]
    expected = torch.stack([torch.autograd.grad(one, x, retain_graph=True)[0] for one in y])
    assert calls.count == 0
    close(rows, expected)
    for name, array in arrays.items():
        close(each[name].sum(0), found[name])
        close(found[name], torch.autograd.grad(loss(arrays, x), array)[0])


@needs_compiler
def test_what_is_not_wanted_gets_no_gradient(native_library):
    layer = forced(calm(ODConv2d(8, 12, 1)))
    layer.weight.requires_grad_(False)
    x = random_map(2, 8, 3, torch.float32)
    layer(x).sum().backward()
    assert layer.weight.grad is None and layer.attention.filter_fc.weight.grad is not None


@needs_compiler
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [(7, 9), (8, 7)])
@pytest.mark.parametrize("groups", [1, 6])
def test_the_operation_is_a_proper_one(native_library, size, groups, layout):
    x = torch.randn(3, 6, *size).to(memory_format=layout)
    weight = torch.randn(4, 6, 6 // groups, 1, 1)
    factors = (torch.rand(3, 6, 1, 1), None, torch.rand(3, 1, 1, 1, 1), torch.rand(3, 4))
    given = (torch.randn(3, 6, *size), x, weight, *factors, [1, 1], [0, 0], [1, 1], groups)
    torch.library.opcheck(torch.ops.odconv.dynamic_conv_backward.default, given)


@needs_compiler
def test_the_most_kernels_are_those_of_the_operation(native_library):
    def run(kernels):
        x, weight = torch.rand(2, 3, 4, 5), torch.rand(kernels, 3, 3, 1, 1)
        factors, geometry = (None, None, None, torch.rand(2, kernels)), ([1, 1], [0, 0], [1, 1], 1)
        torch.ops.odconv.dynamic_conv_backward(x, x, weight, *factors, *geometry)

    run(MOST_KERNELS)
    with pytest.raises(RuntimeError, match=f"at most {MOST_KERNELS} kernels"):
        run(MOST_KERNELS + 1)


@needs_compiler
@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (0, torch.rand(2, 6, 8, 8)),
        (0, torch.rand(2, 6, 8, 9).double()),
        (1, torch.rand(2, 7, 8, 9)),
        (2, torch.rand(4, 6, 6, 3, 3)),
        (2, torch.rand(17, 6, 6, 1, 1)),
        (6, torch.rand(2, 3)),
        (7, [2, 2]),
    ],
)
def test_wrong_arguments_are_named(native_library, place, wrong):
    given = [torch.rand(2, 6, 8, 9), torch.rand(2, 6, 8, 9), torch.rand(4, 6, 6, 1, 1)]
    given += [None, None, None, torch.rand(2, 4), [1, 1], [0, 0], [1, 1], 1]
    torch.ops.odconv.dynamic_conv_backward(*given)
    given[place] = wrong
    if place == 2:
        given[6] = torch.rand(2, len(wrong))
    with pytest.raises(RuntimeError, match=r"odconv::dynamic_conv\w*: expected"):
        torch.ops.odconv.dynamic_conv_backward(*given)


@needs_compiler
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["od_mobilenetv2_050", "dy_mobilenetv2_050"])
def test_networks(native_library, name, layout):
    """By the usual choice, with fixed norms: those of a few positions multiply rounding."""
    torch.manual_seed(0)
    model, x = create_model(name, num_classes=7).eval(), torch.randn(3, 3, 64, 96)
    fast = copy.deepcopy(model).to(memory_format=layout)
    set_strategy(fast, "native")
    of_output = torch.randn(3, 7)
    with Calls() as calls:
        found = gradients(fast, x.to(memory_format=layout), of_output)
    expected = gradients(model.double(), x.double(), of_output)
    assert calls.count > 0
    for key, values in expected.items():
        assert (found[key] - values).norm() <= 1e-3 * (values.norm() + 1e-3), key
