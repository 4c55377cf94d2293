"""The ODConv layer against the published numbers and against a plain loop."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from odconv_torch import ODConv1d, ODConv2d, ODConv3d
from odconv_torch.layers import build_conv
from parity_tests.golden.loader import load_odconv, odconv_files

CLASSES = (ODConv1d, ODConv2d, ODConv3d)
CONVS = (F.conv1d, F.conv2d, F.conv3d)


def golden_layer(golden):
    layer = build_conv(golden.spec, dtype=torch.float64)
    state = {name: torch.tensor(array) for name, array in golden.arrays.items()}
    layer.load_state_dict(state | {"attention.bn.num_batches_tracked": torch.tensor(0)})
    layer.set_temperature(golden.temperature)
    return layer


@pytest.mark.parametrize("name", odconv_files())
def test_golden_evaluation(name):
    golden = load_odconv(name)
    layer = golden_layer(golden).eval()
    x = torch.tensor(golden.input)
    np.testing.assert_allclose(layer(x).detach(), golden.output, rtol=1e-9, atol=1e-12)
    for kind, attention in layer.attention(x)._asdict().items():
        assert (attention is None) == (kind not in golden.attentions)
        if attention is not None:
            expected = golden.attentions[kind].reshape(attention.shape)
            np.testing.assert_allclose(attention.detach(), expected, rtol=1e-9)


@pytest.mark.parametrize("name", [n for n in odconv_files() if load_odconv(n).training])
def test_golden_training(name):
    golden = load_odconv(name)
    after = golden.training
    layer = golden_layer(golden).train()
    x = torch.tensor(golden.input, requires_grad=True)
    y = layer(x)
    y.backward(torch.tensor(after.grad_output))
    np.testing.assert_allclose(y.detach(), after.output, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(x.grad, after.grad_input, rtol=1e-9, atol=1e-11)
    for key, parameter in layer.named_parameters():
        np.testing.assert_allclose(parameter.grad, after.grads[key], rtol=1e-9, atol=1e-11)
    for key, expected in after.statistics.items():
        np.testing.assert_allclose(layer.state_dict()[key], expected, rtol=1e-9)


def randomised(layer):
    """Every array random, so that no attention is constant."""
    with torch.no_grad():
        for tensor in layer.state_dict().values():
            if tensor.is_floating_point():
                tensor.normal_()
        layer.attention.bn.running_var.uniform_(0.5, 1.5)
    return layer


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"groups": 2, "stride": 2, "padding": 1, "bias": True},
        {"groups": 4, "dilation": 2, "padding": 2, "kernel_num": 1},
        {"padding": "same", "kernel_num": 2},
    ],
)
def test_each_sample_has_its_own_kernel(rank, options):
    torch.manual_seed(rank)
    layer = randomised(CLASSES[rank - 1](4, 8, 3, **options).double()).eval()
    x = torch.randn(3, 4, *(5, 6, 7)[:rank], dtype=torch.float64)
    a, spec = layer.attention(x), layer.spec
    for i in range(3):
        kernel = 0
        for k in range(spec.kernel_num):
            weight = layer.weight[k] if a.kernel is None else layer.weight[k] * a.kernel[i, k]
            kernel = kernel + weight * a.spatial[i]
        padded = F.pad(x[i] * a.channel[i], [side for p in reversed(spec.pads) for side in p])
        y = CONVS[rank - 1](
            padded[None], kernel, None, spec.strides, 0, spec.dilations, spec.groups
        )
        y = y[0] * a.filter[i]
        if layer.bias is not None:
            y = y + layer.bias.reshape(-1, *[1] * rank)
        torch.testing.assert_close(layer(x)[i], y, rtol=1e-12, atol=1e-12)


def test_spatial_attention_is_height_by_width():
    layer = randomised(ODConv2d(3, 3, (2, 3), kernel_num=1).double()).eval()
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    attention = layer.attention
    hidden = torch.relu(attention.bn(attention.fc(x.mean((2, 3), keepdim=True))))
    expected = torch.sigmoid(attention.spatial_fc(hidden))[:, :, 0, 0]
    spatial = attention(x).spatial
    assert spatial.shape == (2, 1, 1, 2, 3)
    torch.testing.assert_close(spatial[:, 0, 0, 1, 0], expected[:, 3])


@pytest.mark.parametrize("size", [(1, 1), (4, 5)])
def test_a_batch_of_one_trains(size):
    layer = randomised(ODConv2d(1, 5, 3, padding=1)).train()
    before = copy.deepcopy(layer.attention.bn.state_dict())
    x = torch.randn(1, 1, *size)
    y = layer(x)
    y.sum().backward()
    assert torch.isfinite(y).all()
    assert all(torch.equal(before[k], v) for k, v in layer.attention.bn.state_dict().items())
    torch.testing.assert_close(layer.train()(x), layer.eval()(x), rtol=0, atol=0)


def test_zero_heads_start_as_a_plain_convolution():
    layer = ODConv2d(4, 6, 3, kernel_num=3, padding=1)
    x = torch.randn(2, 4, 5, 6)
    plain = F.conv2d(x, layer.weight.mean(0), padding=1)
    torch.testing.assert_close(layer(x), plain / 8)  # three sigmoids of zero


@pytest.mark.parametrize("start", ["zero", "published"])
def test_starting_values(start):
    torch.manual_seed(0)
    layer = ODConv2d(64, 256, 3, groups=2, kernel_num=4, head_init=start, bias=True)
    fan_out = 256 * 9
    for kernel in layer.weight.detach():
        assert kernel.std() == pytest.approx((2 / fan_out) ** 0.5, rel=0.02)
    assert layer.attention.fc.weight.detach().std() == pytest.approx((2 / 16) ** 0.5, rel=0.1)
    head = layer.attention.filter_fc
    assert head.weight.detach().std() == (
        0 if start == "zero" else pytest.approx((2 / 256) ** 0.5, rel=0.1)
    )
    assert not head.bias.any()
    assert not layer.bias.any()


def test_temperature_divides_every_logit():
    layer = randomised(ODConv2d(4, 6, 3, kernel_num=3).double()).eval()
    x = torch.randn(2, 4, 5, 6, dtype=torch.float64)
    cool = layer.attention(x)
    layer.set_temperature(2.0)
    warm = layer.attention(x)
    for kind in ("channel", "filter", "spatial"):
        logits = torch.logit(getattr(cool, kind))
        torch.testing.assert_close(torch.logit(getattr(warm, kind)), logits / 2)
    logits = cool.kernel.log().diff(dim=1)  # of a softmax, only differences are known
    torch.testing.assert_close(warm.kernel.log().diff(dim=1), logits / 2)
    assert "attention.temperature" not in layer.state_dict()


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf")])
def test_temperature_must_be_positive(wrong):
    with pytest.raises(ValueError, match="temperature: expected a positive number, received"):
        ODConv2d(4, 4, 3).set_temperature(wrong)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((4, 6, 0), {}, "kernel_size: expected a whole number >= 1"),
        ((4, 6, 3), {"groups": 3}, "groups: expected a divisor of in_channels=4"),
        ((4, 6, 3), {"padding": "same", "stride": 2}, "padding='same': expected stride 1"),
        ((4, 6, 3), {"kernel_num": 0}, "kernel_num: expected a whole number >= 1"),
    ],
)
def test_wrong_options(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        ODConv2d(*arguments, **options)


def test_copies_and_pickles_keep_everything():
    layer = randomised(ODConv2d(4, 6, 3, kernel_num=2))
    layer.set_temperature(3.0)
    x = torch.randn(2, 4, 5, 6)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        torch.testing.assert_close(twin.eval()(x), layer.eval()(x), rtol=0, atol=0)


def test_channels_last_input():
    layer = randomised(ODConv2d(4, 6, 3)).eval()
    x = torch.randn(2, 4, 5, 6)
    torch.testing.assert_close(layer(x.to(memory_format=torch.channels_last)), layer(x))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast(dtype):
    torch.manual_seed(0)
    layer = ODConv2d(8, 6, 3, padding=1, head_init="published")
    x = torch.randn(3, 8, 9, 7)
    with torch.autocast("cpu", dtype):
        y = layer(x)
        y.float().square().mean().backward()
    assert y.dtype == dtype
    torch.testing.assert_close(y.float(), layer(x), rtol=0.05, atol=0.02)
    assert all(torch.isfinite(p.grad).all() for p in layer.parameters())


def test_device_and_dtype_arguments():
    layer = ODConv2d(4, 6, 3, bias=True, device="meta", dtype=torch.float64)
    assert {p.device.type for p in layer.parameters()} == {"meta"}
    assert {p.dtype for p in layer.parameters()} == {torch.float64}
