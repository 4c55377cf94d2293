"""The norm behind a convolution overwrites what that gave, unless somebody can see it."""

import pytest
import torch
from torch import nn
from torch.autograd import forward_ad
from torch.utils._python_dispatch import TorchDispatchMode

from odconv_torch import ODConv2d
from odconv_torch.layers.norm import BatchNorm2d
from odconv_torch.models.conv_norm import conv_norm

LARGE = (2, 6, 150, 160)  # in elements what the norm writes in place


class Keeping(nn.Conv2d):
    """Keeps what it gave."""

    def forward(self, x):
        self.kept = super().forward(x)
        return self.kept


class InPlace(TorchDispatchMode):
    """Counts the norms that overwrite their input."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        self.count += func is torch.ops.aten.native_batch_norm.out and kwargs["out"] is args[0]
        return func(*args, **kwargs)


@pytest.fixture
def x():
    return torch.randn(LARGE)


@pytest.fixture
def norm():
    layer = BatchNorm2d(8)
    with torch.no_grad():
        for values in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
            values.uniform_(0.5, 2)
    return layer.eval()


def of_parts(conv, norm, x):
    with torch.no_grad():
        return norm(conv(x).clone())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("kind", [nn.Conv2d, ODConv2d])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_computes_what_the_parts_do(kind, layout, mode, norm, x):
    conv, x = kind(6, 8, 3, padding=1).eval(), x.to(memory_format=layout)
    with mode():
        y = conv_norm(conv, norm, x)
    torch.testing.assert_close(y, of_parts(conv, norm, x), rtol=0, atol=0)
    assert y.is_contiguous(memory_format=layout)


def test_in_inference_the_output_of_the_convolution_is_overwritten(norm, x):
    conv = nn.Conv2d(6, 8, 3)
    with torch.no_grad(), InPlace() as norms:
        conv_norm(conv, norm, x)
        conv_norm(conv, norm, x[:1, :, :9])  # small
    assert norms.count == 1


def test_what_code_of_others_keeps_stays(norm, x):
    conv, usual = Keeping(6, 8, 3), nn.Conv2d(6, 8, 3)
    usual.forward, kept = lambda x: kept.append(nn.Conv2d.forward(usual, x)) or kept[-1], []
    with torch.no_grad():
        for layer in (conv, usual):
            conv_norm(layer, norm, x)
        torch.testing.assert_close(conv.kept, nn.Conv2d.forward(conv, x), rtol=0, atol=0)
        torch.testing.assert_close(kept[0], nn.Conv2d.forward(usual, x), rtol=0, atol=0)


def test_what_a_hook_has_seen_stays(norm, x):
    conv, seen = nn.Conv2d(6, 8, 3), []
    with torch.no_grad():
        wanted = conv(x)
        conv.register_forward_hook(lambda layer, inputs, output: seen.append(output))
        y = conv_norm(conv, norm, x)
    torch.testing.assert_close(seen[0], wanted, rtol=0, atol=0)
    torch.testing.assert_close(y, of_parts(conv, norm, x), rtol=0, atol=0)


def test_what_gradients_need_stays(norm, x):
    conv = nn.Conv2d(6, 8, 3)
    with InPlace() as norms:
        y = conv_norm(conv, norm, x)
    assert norms.count == 0
    y.sum().backward()
    assert conv.weight.grad.abs().sum() > 0 and norm.weight.grad.abs().sum() > 0


def test_what_stands_in_the_place_of_a_convolution_may_give_its_input(norm, x):
    x = torch.cat((x, x[:, :2]), 1)
    before = x.clone()
    with torch.no_grad():
        conv_norm(nn.Identity(), norm, x)
    torch.testing.assert_close(x, before, rtol=0, atol=0)


def test_a_norm_that_learns_or_is_watched_is_called(norm, x):
    conv, calls = nn.Conv2d(6, 8, 3), []
    handle = norm.register_forward_hook(lambda *call: calls.append(call))
    with torch.no_grad(), InPlace() as norms:
        conv_norm(conv, norm, x)
        handle.remove()
        conv_norm(conv, norm.train(), x)
        before = norm.running_mean.clone()
        conv_norm(conv, norm, x)
    assert len(calls) == 1 and norms.count == 0
    assert not torch.equal(norm.running_mean, before)


def test_several_inputs_at_once(norm):
    conv, x = nn.Conv2d(6, 8, 3), torch.randn(3, *LARGE)
    with torch.no_grad():
        y = torch.func.vmap(lambda one: conv_norm(conv, norm, one))(x)
    torch.testing.assert_close(y, torch.stack([of_parts(conv, norm, one) for one in x]))


def test_changes_go_forward(norm, x):
    conv, change = nn.Conv2d(6, 8, 3), torch.randn_like(x)
    with torch.no_grad(), forward_ad.dual_level():
        y = forward_ad.unpack_dual(conv_norm(conv, norm, forward_ad.make_dual(x, change))).tangent
    wanted = of_parts(conv, norm, x + change) - of_parts(conv, norm, x)  # all is linear
    torch.testing.assert_close(y, wanted, rtol=1e-4, atol=1e-4)
