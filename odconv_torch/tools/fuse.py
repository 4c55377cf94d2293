"""Folds a batch norm into the dynamic convolution before it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from odconv_torch.layers import DynamicConv


def fuse(conv: DynamicConv, norm: nn.Module) -> nn.Module:
    """A new layer that computes norm(conv(x)) as in inference.

    The scale of the running statistics goes into the kernels and the shift into the bias, which
    ODConv adds after its filter attention and DyConv mixes by weights that add up to one. Static
    convolutions have `torch.nn.utils.fuse_conv_bn_eval`.

    Args:
        conv: a dynamic convolution; it is left as it is.
        norm: a batch norm of its output with running statistics.

    Returns:
        A layer of the same class and mode, with a bias; of a WEConv, which depends on no sample,
        the static convolution.

    Raises:
        ValueError: another kind of layer, other channels, no running statistics, or a CondConv
            with mixed biases: its routing weights do not add up to one, so that a shift that is
            mixed would no longer be the same for all samples.

    Example:
        >>> conv, norm = ODConv2d(3, 8, 3).eval(), nn.BatchNorm2d(8).eval()
        >>> x = torch.rand(2, 3, 16, 16)
        >>> torch.allclose(fuse(conv, norm)(x), norm(conv(x)), atol=1e-6)
        True
    """
    if not isinstance(conv, DynamicConv):
        raise ValueError(
            f"conv: expected a dynamic convolution such as ODConv2d, received {type(conv).__name__}"
        )
    scale, shift = scale_and_shift(norm)
    with torch.no_grad():
        return conv.folded(scale, shift)


def scale_and_shift(norm: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """norm(y) = y * scale + shift in inference, both (channels,)."""
    if not isinstance(norm, _BatchNorm):
        raise ValueError(f"norm: expected a torch.nn.BatchNorm, received {type(norm).__name__}")
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError(
            "norm: expected running statistics, received a batch norm with "
            "track_running_stats=False, which is no fixed function"
        )
    with torch.no_grad():
        scale = (norm.running_var + norm.eps).rsqrt()
        scale = scale if norm.weight is None else scale * norm.weight
        shift = -norm.running_mean * scale
        return scale, shift if norm.bias is None else shift + norm.bias
