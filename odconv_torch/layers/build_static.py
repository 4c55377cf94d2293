"""Static layers from their specs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from odconv_spec import ConvSpec, LayerNormSpec, LinearSpec, NormSpec
from odconv_torch.layers.init import kaiming_normal_
from odconv_torch.layers.norm import BATCH_NORMS, LayerNorm

_CONVS: tuple[Callable[..., _ConvNd], ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)  # by rank - 1


def build_static_conv(
    spec: ConvSpec,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> _ConvNd:
    """A convolution of `torch.nn` with symmetric padding and Kaiming normal start."""
    conv = _CONVS[spec.rank - 1](
        spec.in_channels,
        spec.out_channels,
        spec.kernel,
        spec.strides,
        tuple(before for before, _ in spec.pads),
        spec.dilations,
        spec.groups,
        spec.bias,
        device=device,
        dtype=dtype,
    )
    kaiming_normal_(conv.weight)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def draw_as_convs(
    specs: Iterable[ConvSpec],
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> None:
    """Moves the random generator on as convolutions of these specs do.

    The layers of attentions were convolutions that their attention started once more. With the same
    numbers drawn before theirs, a seed gives the network that it gave then.
    """
    for spec in specs:
        build_static_conv(spec, device, dtype)


def build_norm(
    spec: NormSpec | LayerNormSpec,
    rank: int = 2,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> nn.Module:
    """The norm that `spec` describes, for maps over `rank` axes.

    Args:
        spec: a norm over the batch, or over the channels of each sample.
        rank: number of axes of the map.
        device: where the parameters live.
        dtype: of the parameters.

    Returns:
        (batch, channels, *map) to the same shape.

    Example:
        >>> build_norm(NormSpec(6))(torch.rand(2, 6, 8, 9)).shape
        torch.Size([2, 6, 8, 9])
    """
    if isinstance(spec, LayerNormSpec):
        return LayerNorm(spec.channels, spec.eps, device=device, dtype=dtype)
    return BATCH_NORMS[rank - 1](spec.channels, spec.eps, spec.momentum, device=device, dtype=dtype)


def build_linear(
    spec: LinearSpec,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> nn.Linear:
    """A classifier that starts at normal(0, 0.01), as in MobileNetV2's published code.

    Returns:
        (batch, in) to (batch, out).

    Example:
        >>> build_linear(LinearSpec(6, 10))(torch.rand(2, 6)).shape
        torch.Size([2, 10])
    """
    widths = spec.in_channels, spec.out_channels
    linear = nn.Linear(*widths, spec.bias, device=device, dtype=dtype)
    nn.init.normal_(linear.weight, std=0.01)
    if spec.bias:
        nn.init.zeros_(linear.bias)
    return linear
