"""The two gradients of a map, of the convolution and of the attention, meet in one memory."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from odconv_torch import ODConv2d, set_strategy
from odconv_torch.layers.forms.gathering import gathering


@pytest.mark.parametrize("strategy", ["grouped", "patches", "tiled", "samples"])
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_the_second_is_added_in_place(kernel_size, strategy):
    layer = ODConv2d(8, 12, kernel_size, padding=kernel_size // 2)
    set_strategy(layer, strategy)
    before = torch.rand(2, 8, 9, 11, requires_grad=True) * 2  # a map that an operation made
    y = layer(before).sum()
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiler:
        y.backward()
    shape = list(before.shape)
    events = profiler.key_averages(group_by_input_shape=True)
    added = [event.key for event in events if event.input_shapes[:2] == [shape, shape]]
    assert "aten::add_" in added
    assert "aten::add" not in added


def test_a_gradient_that_somebody_keeps_stays():
    x, kept = torch.rand(3, 4, requires_grad=True), []
    before = x * 2
    y = gathering(before) * 3
    y.register_hook(kept.append)
    (y.sum() + (before * 5).sum()).backward()
    torch.testing.assert_close(kept[0], torch.ones(3, 4), rtol=0, atol=0)
    torch.testing.assert_close(x.grad, torch.full((3, 4), 16.0), rtol=0, atol=0)


def test_it_can_be_differentiated_twice_forward_and_for_several():
    x = torch.rand(3, 4, dtype=torch.float64, requires_grad=True)
    options = {"check_forward_ad": True, "check_batched_grad": True}
    assert torch.autograd.gradcheck(lambda x: gathering(x).sin(), x, **options)
    assert torch.autograd.gradgradcheck(lambda x: gathering(x).sin(), x)
    torch.testing.assert_close(torch.func.vmap(gathering)(x), x)
