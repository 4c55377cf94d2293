"""The heads of an attention, computed as one product unless somebody watches or replaces one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from odconv_torch import ODConv2d

HEADS = ("channel_fc", "filter_fc", "spatial_fc", "kernel_fc")


@pytest.fixture
def layer():
    torch.manual_seed(0)
    conv = ODConv2d(6, 4, (3, 2), kernel_num=3, head_init="published", dtype=torch.float64).eval()
    for name in HEADS:
        nn.init.normal_(conv.attention.get_submodule(name).bias)
    return conv


@pytest.fixture
def x():
    return torch.randn(2, 6, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", HEADS)
def test_a_hook_sees_its_head(layer, x, name):
    expected = layer.attention(x)
    seen = []
    head = layer.attention.get_submodule(name)
    handle = head.register_forward_hook(lambda module, inputs, output: seen.append(output))
    close(layer.attention(x), expected)
    assert [output.shape for output in seen] == [(2, head.out_channels, 1, 1)]
    handle.remove()
    layer.attention(x)
    assert len(seen) == 1


def test_a_hook_on_all_modules_sees_the_heads(layer, x):
    seen = []
    handle = nn.modules.module.register_module_forward_hook(lambda m, i, o: seen.append(m))
    try:
        layer(x)
    finally:
        handle.remove()
    assert all(layer.attention.get_submodule(name) in seen for name in HEADS)


@pytest.mark.parametrize(
    "register",
    [
        nn.modules.module.register_module_forward_pre_hook,
        nn.modules.module.register_module_full_backward_pre_hook,
    ],
)
def test_other_hooks_on_all_modules_see_the_heads(layer, x, register):
    seen = []
    handle = register(lambda module, *values: seen.append(module))
    try:
        layer(x.requires_grad_()).sum().backward()
    finally:
        handle.remove()
    assert all(layer.attention.get_submodule(name) in seen for name in HEADS)


def test_a_head_with_a_forward_of_its_own(layer, x):
    """What accelerate does to load weights when they are needed."""
    head, plain = layer.attention.channel_fc, layer.attention(x).channel.logit()
    forward = head.forward
    head.forward = lambda input: 2 * forward(input)
    close(layer.attention(x).channel.logit(), 2 * plain)


def test_a_hook_may_change_what_a_head_makes(layer, x):
    layer.attention.kernel_fc.register_forward_hook(lambda module, inputs, output: output * 0)
    close(layer.attention(x).kernel, torch.full((2, 3), 1 / 3, dtype=torch.float64))


def test_a_head_may_be_replaced(layer, x):
    class Twice(nn.Conv2d):
        def forward(self, input):
            return 2 * super().forward(input)

    plain = layer.attention(x).channel.logit()
    new = Twice(16, 6, 1, dtype=torch.float64)
    new.load_state_dict(layer.attention.channel_fc.state_dict())
    layer.attention.channel_fc = new
    close(layer.attention(x).channel.logit(), 2 * plain)


def test_a_parametrized_head(layer, x):
    class Half(nn.Module):
        def forward(self, weight):
            return weight / 2

    head = layer.attention.filter_fc
    plain = layer.attention(x).filter.logit() - head.bias[:, None, None]
    nn.utils.parametrize.register_parametrization(head, "weight", Half())
    close(layer.attention(x).filter.logit() - head.bias[:, None, None], plain / 2)
