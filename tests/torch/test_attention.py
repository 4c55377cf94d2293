"""What weighs the kernels: the attentions of ODConv and DyConv, the router of CondConv."""

from __future__ import annotations

import pytest
import torch
from helpers import LAYERS, close, random_map, randomised
from torch.nn import functional as F

from odconv_torch import CondConv2d, DyConv2d, ODConv2d, Routing, set_temperature


def od_hidden(attention, x):
    pooled = x.mean((2, 3))
    hidden = pooled @ attention.fc.weight[:, :, 0, 0].T
    if attention.bn is not None:
        bn = attention.bn
        hidden = (hidden - bn.running_mean) / (bn.running_var + 1e-5).sqrt() * bn.weight + bn.bias
    if attention.ln is not None:
        mean = hidden.mean(1, keepdim=True)
        deviation = (hidden.var(1, keepdim=True, correction=0) + 1e-5).sqrt()
        hidden = (hidden - mean) / deviation * attention.ln.weight + attention.ln.bias
    return hidden.clip(min=0)


def logits(head, hidden):
    return hidden @ head.weight.flatten(1).T + head.bias


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize("temperature", [1.0, 4.5])
def test_odconv(norm, activation, temperature):
    layer = ODConv2d(
        4, 6, (2, 3), kernel_num=3, norm=norm, spatial_activation=activation, dtype=torch.float64
    )
    attention = randomised(layer).eval().attention
    layer.set_temperature(temperature)
    x = random_map(2, 4)
    hidden = od_hidden(attention, x)
    found = attention(x)
    close(
        found.channel,
        torch.sigmoid(logits(attention.channel_fc, hidden) / temperature)[..., None, None],
    )
    close(
        found.filter,
        torch.sigmoid(logits(attention.filter_fc, hidden) / temperature)[..., None, None],
    )
    close(found.kernel, F.softmax(logits(attention.kernel_fc, hidden) / temperature, dim=1))
    taps = logits(attention.spatial_fc, hidden) / temperature
    taps = torch.sigmoid(taps) if activation == "sigmoid" else F.softmax(taps, dim=1)
    assert found.spatial.shape == (3, 1, 1, 2, 3)
    for row in range(2):
        for column in range(3):
            close(found.spatial[:, 0, 0, row, column], taps[:, 3 * row + column])


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_one_set_of_attentions_for_each_kernel(rank):
    kernel = (3, 2, 2)[:rank]
    layer = LAYERS["od"][rank - 1](
        4,
        6,
        kernel,
        kernel_num=3,
        attention_sharing=False,
        spatial_activation="softmax",
        norm="none",
        dtype=torch.float64,
    )
    attention = randomised(layer).attention
    x = random_map(rank, 4)
    found = attention(x)
    ones = (1,) * rank
    assert found.channel.shape == (3, 3, 4, *ones)
    assert found.filter.shape == (3, 3, 6, *ones)
    assert found.spatial.shape == (3, 3, 1, 1, *kernel)
    assert found.kernel.shape == (3, 3)
    hidden = (x.flatten(2).mean(2) @ attention.fc.weight.flatten(1).T).clip(min=0)
    channel = torch.sigmoid(
        hidden @ attention.channel_fc.weight.flatten(1).T + attention.channel_fc.bias
    )
    close(found.channel[:, 1].flatten(1), channel[:, 4:8])
    close(found.spatial.flatten(2).sum(2), torch.ones(3, 3, dtype=torch.float64))


def test_attentions_that_are_left_out_have_no_arrays():
    layer = ODConv2d(4, 6, 3, attentions=("filter", "kernel"), norm="none")
    found = layer.attention(torch.randn(2, 4, 8, 9))
    assert (found.channel, found.spatial) == (None, None)
    heads = {name.split(".")[1] for name in layer.state_dict() if name.startswith("attention.")}
    assert heads == {"fc", "filter_fc", "kernel_fc"}
    static = ODConv2d(4, 6, 3, attentions=(), kernel_num=1)
    assert static.attention is None
    assert list(static.state_dict()) == ["weight"]


@pytest.mark.parametrize("options", [{}, {"fc1_bias": True, "fc2_bias": False}])
@pytest.mark.parametrize("temperature", [1.0, 30.0])
def test_dyconv(options, temperature):
    layer = randomised(DyConv2d(8, 6, 3, hidden_channels=5, dtype=torch.float64, **options))
    layer.set_temperature(temperature)
    x = random_map(2, 8)
    fc1, fc2 = layer.attention.fc1, layer.attention.fc2
    hidden = x.mean((2, 3)) @ fc1.weight[:, :, 0, 0].T
    hidden = (hidden if fc1.bias is None else hidden + fc1.bias).clip(min=0)
    values = hidden @ fc2.weight[:, :, 0, 0].T
    values = values if fc2.bias is None else values + fc2.bias
    close(layer.attention(x), F.softmax(values / temperature, dim=1))


@pytest.mark.parametrize(
    ("options", "width"),
    [
        ({}, 10),
        ({"hidden_rule": "plus_one"}, 11),
        ({"reduction": 0.01}, 1),
        ({"hidden_channels": 7, "hidden_rule": "plus_one"}, 7),
    ],
)
def test_hidden_width_of_dyconv(options, width):
    layer = DyConv2d(40, 6, 3, **options)
    assert layer.attention.fc1.weight.shape == (width, 40, 1, 1)
    assert layer.attention.fc2.weight.shape == (4, width, 1, 1)
    layer(torch.randn(2, 40, 8, 9))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_router(rank):
    routing = randomised(Routing(4, 5, dtype=torch.float64))
    x = random_map(rank, 4)
    values = x.flatten(2).mean(2) @ routing.weight.T + routing.bias
    close(routing(x), torch.sigmoid(values))
    set_temperature(routing, 9.0)
    close(routing(x), torch.sigmoid(values))


def test_one_router_for_several_layers():
    routing = randomised(Routing(4, 8, dtype=torch.float64))
    own = randomised(CondConv2d(4, 6, 3, dtype=torch.float64))
    own.routing.load_state_dict(routing.state_dict())
    shared = CondConv2d(4, 6, 3, router="shared", dtype=torch.float64)
    shared.load_state_dict({"weight": own.weight, "bias": own.bias})
    x = random_map(2, 4)
    assert shared.routing is None
    close(shared(x, routing(x)), own(x))


def test_routing_weights_that_do_not_fit():
    x = torch.randn(2, 4, 8, 9)
    shared = CondConv2d(4, 6, 3, kernel_num=3, router="shared")
    with pytest.raises(ValueError, match=r"expected routing weights \(batch, 3\), received none"):
        shared(x)
    with pytest.raises(ValueError, match=r"routing weights \(2, 3\), received \(2, 4\)"):
        shared(x, torch.rand(2, 4))
    with pytest.raises(ValueError, match=r"routing weights \(2, 3\), received \(1, 3\)"):
        shared(x, torch.rand(1, 3))
    with pytest.raises(ValueError, match="expected no routing weights beside the layer's own"):
        CondConv2d(4, 6, 3, kernel_num=3)(x, torch.rand(2, 3))


@pytest.mark.parametrize("start", ["zero", "published"])
def test_starting_values(start):
    torch.manual_seed(0)
    od = ODConv2d(64, 256, 3, groups=2, head_init=start, bias=True)
    dy = DyConv2d(64, 256, 3, head_init=start, kernel_num=64, fc1_bias=True)
    cond = CondConv2d(64, 256, 3, head_init=start)
    for layer in (od, dy, cond):
        for kernel in layer.weight.detach():
            assert kernel.std() == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.02)
        assert not any(
            p.any()
            for name, p in layer.named_parameters()
            if name.endswith("bias") and "bn" not in name
        )
    assert od.attention.fc.weight.detach().std() == pytest.approx((2 / 16) ** 0.5, rel=0.1)
    assert dy.attention.fc1.weight.detach().std() == pytest.approx((2 / 16) ** 0.5, rel=0.1)
    heads = {
        od.attention.filter_fc: (2 / 256) ** 0.5,
        dy.attention.fc2: (2 / 64) ** 0.5,
        cond.routing: (2 / (64 + 8)) ** 0.5,
    }
    for head, deviation in heads.items():
        found = head.weight.detach().std()
        assert found == (pytest.approx(deviation, rel=0.1) if start == "published" else 0)
    bound = (6 / (64 + 8)) ** 0.5  # of Glorot uniform
    assert cond.routing.weight.abs().max() <= bound


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf")])
def test_temperature_must_be_positive(wrong):
    with pytest.raises(ValueError, match="temperature: expected a positive number, received"):
        ODConv2d(4, 4, 3).set_temperature(wrong)


def test_temperature_is_no_part_of_the_checkpoint():
    assert not [name for name in ODConv2d(4, 4, 3).state_dict() if "temperature" in name]
    layer = DyConv2d(4, 4, 3)
    layer.set_temperature(7.0)
    layer.load_state_dict(DyConv2d(4, 4, 3).state_dict(), strict=True)
    assert layer.attention.temperature == 7
