"""Layers with random arrays, and what the reference says of them."""

from __future__ import annotations

import torch

from odconv_torch import layers
from parity_tests.reference import evaluate
from weights_converter import extract

LAYERS = {
    "od": (layers.ODConv1d, layers.ODConv2d, layers.ODConv3d),
    "dy": (layers.DyConv1d, layers.DyConv2d, layers.DyConv3d),
    "cond": (layers.CondConv1d, layers.CondConv2d, layers.CondConv3d),
}
KINDS = tuple(LAYERS)
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


def reference(layer, x, slope=None):
    """What the layer should give for x, and gradients by name of the product with a slope."""
    arrays = [None if array is None else array.detach().numpy() for array in (x, slope)]
    return evaluate(layer.spec, extract(layer), arrays[0], grad_output=arrays[1])


def close(actual, expected, tolerance=1e-12):
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)
