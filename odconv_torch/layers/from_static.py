"""A dynamic convolution that starts as a given static one."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from odconv_spec import ConvSpec, DynamicConvSpec

if TYPE_CHECKING:
    from odconv_torch.layers.dynamic import DynamicConv

Layer = TypeVar("Layer", bound="DynamicConv")

_CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)  # by rank - 1


def plain_conv(conv: nn.Module) -> nn.Conv1d | nn.Conv2d | nn.Conv3d:
    """`conv` itself if a dynamic convolution can stand for it; otherwise raises ValueError."""
    name = type(conv).__name__
    if not isinstance(conv, _CONVS):
        raise ValueError(f"expected a torch.nn.Conv1d, Conv2d or Conv3d, received {name}")
    if isinstance(conv.weight, nn.parameter.UninitializedParameter):
        raise ValueError(f"expected a built convolution, received {name} before its first input")
    if not isinstance(conv.weight, nn.Parameter):  # a parametrization, weight norm, pruning
        raise ValueError(f"expected a stored weight, received {name} that computes it anew")
    plain = _CONVS[len(conv.kernel_size) - 1]
    own = [m for m in ("forward", "_conv_forward") if getattr(type(conv), m) != getattr(plain, m)]
    if own:
        raise ValueError(f"expected a plain convolution, received {name} with a forward of its own")
    return conv


def static_spec(conv: nn.Conv1d | nn.Conv2d | nn.Conv3d) -> ConvSpec:
    """The spec of a plain convolution, without its `padding_mode`."""
    return ConvSpec(
        in_channels=conv.in_channels,
        out_channels=conv.out_channels,
        kernel_size=conv.kernel_size,
        stride=conv.stride,
        padding=conv.padding,
        dilation=conv.dilation,
        groups=conv.groups,
        bias=conv.bias is not None,
        rank=len(conv.kernel_size),
    )


def like_static(
    layer: type[Layer], conv: nn.Conv1d | nn.Conv2d | nn.Conv3d, options: Mapping[str, Any]
) -> Layer:
    """A new `layer` with the geometry, padding mode, device and dtype of `conv`.

    Its weights are random; it is in training mode if `conv` is.
    """
    spec = static_spec(conv)
    if spec.rank != layer.rank:
        received = type(conv).__name__
        raise ValueError(f"{layer.__name__}: expected a Conv{layer.rank}d, received {received}")
    built = layer(
        **spec.options() | {"padding": conv.padding},  # it may be a word, which the layer keeps
        padding_mode=conv.padding_mode,
        **options,
        device=conv.weight.device,
        dtype=conv.weight.dtype,
    )
    return built.train(conv.training)


def from_static(
    layer: type[Layer], conv: nn.Module, noise: float, options: Mapping[str, Any]
) -> Layer:
    """See `DynamicConv.from_static`."""
    if not (isfinite(noise) and noise >= 0):
        raise ValueError(f"noise: expected a number >= 0, received {noise!r}")
    if options.get("head_init", "zero") != "zero":
        raise ValueError(
            f"head_init: expected 'zero', received {options['head_init']!r}; heads that do not "
            "start at zero change the function of the static convolution"
        )
    conv = plain_conv(conv)
    built = like_static(layer, conv, {**options, "head_init": "zero"})
    with torch.no_grad():
        built.weight.copy_(_experts(conv.weight, noise, built.spec))
        if built.bias is not None and conv.bias is not None:
            gain = built.spec.start_gain if built.spec.mixes_biases else 1.0
            built.bias.copy_((conv.bias / gain).expand(built.spec.bias_shape))
    return built


def _experts(kernel: torch.Tensor, noise: float, spec: DynamicConvSpec) -> torch.Tensor:
    """Kernels (kernel_num, out, in // groups, *kernel) whose mixture at the start is `kernel`."""
    difference = torch.randn(spec.bank_shape, device=kernel.device, dtype=kernel.dtype)
    difference -= difference.mean(0)  # of a single kernel nothing is left
    return (kernel + noise * kernel.std(correction=0) * difference) / spec.start_gain
