"""What weighs the kernels: the shapes of attentions, and one router for several layers."""

from __future__ import annotations

import pytest
import torch
from helpers import close, random_map, randomised

from odconv_torch import CondConv2d, DyConv2d, ODConv2d, Routing


def test_shapes():
    x = random_map(2, 4)
    shared = ODConv2d(4, 6, (2, 3), kernel_num=5, dtype=torch.float64).attention(x)
    each = ODConv2d(4, 6, (2, 3), kernel_num=5, attention_sharing=False).double().attention(x)
    shapes = {"channel": (4, 1, 1), "filter": (6, 1, 1), "spatial": (1, 1, 2, 3)}
    for name, shape in shapes.items():
        assert getattr(shared, name).shape == (3, *shape)
        assert getattr(each, name).shape == (3, 5, *shape)
    assert shared.kernel.shape == each.kernel.shape == (3, 5)


def test_attentions_that_are_left_out_have_no_arrays():
    layer = ODConv2d(4, 6, 3, attentions=("filter", "kernel"), norm="none")
    found = layer.attention(torch.randn(2, 4, 8, 9))
    assert (found.channel, found.spatial) == (None, None)
    heads = {name.split(".")[1] for name in layer.state_dict() if name.startswith("attention.")}
    assert heads == {"fc", "filter_fc", "kernel_fc"}
    static = ODConv2d(4, 6, 3, attentions=(), kernel_num=1)
    assert static.attention is None
    assert list(static.state_dict()) == ["weight"]


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


def test_temperature_is_no_part_of_the_checkpoint():
    assert not [name for name in ODConv2d(4, 4, 3).state_dict() if "temperature" in name]
    layer = DyConv2d(4, 4, 3)
    layer.set_temperature(7.0)
    layer.load_state_dict(DyConv2d(4, 4, 3).state_dict(), strict=True)
    assert layer.attention.temperature == 7
