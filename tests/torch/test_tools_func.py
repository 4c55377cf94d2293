"""torch.func with every form of the convolution: vmap, per-sample gradients, both modes."""

from __future__ import annotations

import copy

import pytest
import torch
from helpers import KINDS, LAYERS, randomised
from torch.func import functional_call, grad, hessian, jacrev, jvp, stack_module_state, vmap

from odconv_spec.choice import KINDS as SPECS
from odconv_spec.choice import dynamic_kinds
from odconv_torch import ODConv2d, set_strategy
from odconv_torch.layers import build_layer
from odconv_torch.layers.forms.cost_model import FORMS

EVERY = [spec for spec in dynamic_kinds() if spec.kind in SPECS]


@pytest.fixture(params=[(kind, form) for kind in KINDS for form in FORMS], ids="-".join)
def layer(request):
    kind, form = request.param
    found = LAYERS[kind][1](4, 6, (3, 2), padding=(1, 0), groups=2, dtype=torch.float64)
    set_strategy(found, form)
    return randomised(found).eval()


def some_map(batch=3):
    return torch.randn(batch, 4, 5, 6, dtype=torch.float64)


def close(found, expected, rtol=1e-9):
    torch.testing.assert_close(found, expected, rtol=rtol, atol=rtol * expected.abs().max().item())


def constants(layer):
    return {name: value.detach() for name, value in layer.named_parameters()}


def test_gradients_of_each_sample(layer):
    x = some_map()

    def loss(arrays, sample):
        return functional_call(layer, arrays, (sample[None],)).square().mean()

    found = vmap(grad(loss), (None, 0))(constants(layer), x)
    for index in range(len(x)):
        layer.zero_grad()
        layer(x[index : index + 1]).square().mean().backward()
        for name, value in layer.named_parameters():
            close(found[name][index], value.grad)


def test_an_ensemble_is_one_call(layer):
    models = [layer, randomised(copy.deepcopy(layer), seed=1)]
    arrays, buffers = stack_module_state(models)
    x = some_map()

    def one(arrays, buffers):
        return functional_call(layer, (arrays, buffers), (x,))

    found = vmap(one)(arrays, buffers)
    for y, model in zip(found, models, strict=True):
        close(y, model(x))


@torch.no_grad()
def test_many_values_of_one_array(layer):
    x = some_map()
    for name, value in constants(layer).items():
        values = torch.stack([value, 1.5 * value + 0.1])
        found = vmap(lambda v, name=name: functional_call(layer, {name: v}, (x,)))(values)
        for y, one in zip(found, values, strict=True):
            close(y, functional_call(layer, {name: one}, (x,)))


@torch.no_grad()
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [2, 9])  # where the filter attention scales outputs and kernels
def test_many_values_of_the_only_attention(form, size):
    """Nothing but the factor of the output has another axis then."""
    layer = ODConv2d(4, 6, 3, padding=1, attentions=("filter",), kernel_num=1, dtype=torch.float64)
    set_strategy(randomised(layer).eval(), form)
    x = torch.randn(3, 4, size, size + 1, dtype=torch.float64)
    biases = torch.randn(2, 6, dtype=torch.float64)
    found = vmap(lambda v: functional_call(layer, {"attention.filter_fc.bias": v}, (x,)))(biases)
    for y, bias in zip(found, biases, strict=True):
        close(y, functional_call(layer, {"attention.filter_fc.bias": bias}, (x,)))


def test_forward_mode(layer):
    arrays, x, change = constants(layer), some_map(), some_map()
    changes = {name: torch.randn_like(value) for name, value in arrays.items()}

    def run(arrays, x):
        return functional_call(layer, arrays, (x,))

    y, found = jvp(run, (arrays, x), (changes, change))
    close(y, layer(x))
    after, before = (
        run({k: v + step * changes[k] for k, v in arrays.items()}, x + step * change)
        for step in (1e-6, -1e-6)
    )
    close(found, (after - before) / 2e-6, rtol=1e-6)


def test_derivatives_of_derivatives(layer):
    """With arrays that are constants, as in a gradient penalty of a frozen network."""
    layer.requires_grad_(False)
    x = some_map(1)[:, :, :2, :2]

    def loss(x):
        return layer(x).square().sum()

    close(jacrev(layer)(x), torch.autograd.functional.jacobian(layer, x))
    close(hessian(loss)(x), torch.autograd.functional.hessian(loss, x))


@torch.no_grad()
@pytest.mark.parametrize("spec", EVERY, ids=lambda spec: spec.kind)
@pytest.mark.parametrize("rank", [2, 3])
def test_maps_that_lie_otherwise(spec, rank):
    """With their channels last, or in slices: vmap cannot say how a part of them lies."""
    if spec.kind == "fdconv" and rank == 3:
        pytest.skip("FDConv has two axes")
    options = {"in_channels": 4, "out_channels": 8, "kernel_size": 3, "rank": rank}
    layer = randomised(build_layer(spec(**options), dtype=torch.float64)).eval()
    x = torch.randn(3, 2, 4, *(5, 6, 4)[:rank], dtype=torch.float64)
    for lying in (x.movedim(2, -1).contiguous().movedim(-1, 2), x.transpose(0, 1)):
        close(vmap(layer)(lying), torch.stack([layer(part) for part in lying]))
    arrays = {
        name: torch.stack([v.detach(), 2 * v.detach()]) for name, v in layer.named_parameters()
    }
    found = vmap(lambda arrays: functional_call(layer, arrays, (x[0],)))(arrays)
    for index, y in enumerate(found):
        close(y, functional_call(layer, {n: v[index] for n, v in arrays.items()}, (x[0],)))
