"""Layers with random arrays, and what they should compute, one sample and one kernel at a time."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from odconv_torch import layers

LAYERS = {
    "od": (layers.ODConv1d, layers.ODConv2d, layers.ODConv3d),
    "dy": (layers.DyConv1d, layers.DyConv2d, layers.DyConv3d),
    "cond": (layers.CondConv1d, layers.CondConv2d, layers.CondConv3d),
}
KINDS = tuple(LAYERS)
CONVS = (F.conv1d, F.conv2d, F.conv3d)
SIZES = (7, 8, 6)
ABLATIONS = (
    {"attentions": (), "kernel_num": 1},
    {"attentions": ("channel",), "kernel_num": 1},
    {"attentions": ("filter", "kernel")},
    {"attentions": ("spatial", "kernel"), "spatial_activation": "softmax", "norm": "none"},
    {"attention_sharing": False, "norm": "layer"},
    {"attention_sharing": False, "kernel_num": 1},
    {"attention_sharing": False, "attentions": ("channel", "kernel"), "min_channels": 3},
    {"attention_sharing": False, "attentions": ("spatial", "kernel")},
    {"attention_sharing": False, "spatial_activation": "softmax", "norm": "none"},
)


def randomised(layer, seed=0):
    """Every array random, so that no attention is constant and no statistic is 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in layer.state_dict().items():
        if tensor.is_floating_point():
            values = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
            tensor.copy_(values.abs() + 0.5 if name.endswith("running_var") else values)
    return layer


def random_map(rank, channels, batch=3, dtype=torch.float64, **options):
    return torch.randn(batch, channels, *SIZES[:rank], dtype=dtype, **options)


def convolve(layer, x, kernel):
    """One sample (1, in, *map) and one kernel."""
    spec = layer.spec
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    sides = [side for pair in reversed(spec.pads) for side in pair]
    if any(sides):
        x = F.pad(x, sides, mode)
    return CONVS[spec.rank - 1](x, kernel, None, spec.strides, 0, spec.dilations, spec.groups)


def od_loop(layer, x):
    """y = sum_k kernel_k * filter_k * conv(channel_k * x, spatial_k * W_k) + bias."""
    attentions = layers.Attentions() if layer.attention is None else layer.attention(x)
    per_kernel = not layer.spec.attention_sharing
    rows = []
    for i in range(x.shape[0]):
        row = 0
        for k in range(layer.spec.kernel_num):
            channel, filters, spatial = (
                1.0 if a is None else (a[i, k] if per_kernel else a[i]) for a in attentions[:3]
            )
            weight = 1.0 if attentions.kernel is None else attentions.kernel[i, k]
            y = convolve(layer, (x[i] * channel)[None], layer.weight[k] * spatial)[0]
            row = row + weight * filters * y
        if layer.bias is not None:
            row = row + layer.bias.reshape(-1, *[1] * layer.rank)
        rows.append(row)
    return torch.stack(rows)


def mixed_loop(layer, x, mixing):
    """y = sum_k mixing_k * (conv(x, W_k) + b_k), or with one bias for all."""
    rows = []
    for i in range(x.shape[0]):
        row = 0
        for k in range(layer.spec.kernel_num):
            y = convolve(layer, x[i : i + 1], layer.weight[k])[0]
            if layer.bias is not None and layer.bias.dim() == 2:
                y = y + layer.bias[k].reshape(-1, *[1] * layer.rank)
            row = row + mixing[i, k] * y
        if layer.bias is not None and layer.bias.dim() == 1:
            row = row + layer.bias.reshape(-1, *[1] * layer.rank)
        rows.append(row)
    return torch.stack(rows)


def loop(layer, x):
    """What a layer of any kind should compute."""
    if isinstance(layer, LAYERS["od"]):
        return od_loop(layer, x)
    return mixed_loop(
        layer, x, layer.routing(x) if hasattr(layer, "routing") else layer.attention(x)
    )


def close(actual, expected, tolerance=1e-12):
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)
