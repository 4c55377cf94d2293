"""A dynamic convolution that starts as a given static one."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, ClassVar, Protocol, TypeVar

import torch
from torch import nn

from odconv_spec import ConvSpec, DynamicConvSpec, KernelBankSpec

_CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)  # by rank - 1


class Dynamic(Protocol):
    """What is used here of a `DynamicConv`, whose module imports this one."""

    rank: ClassVar[int]

    @property
    def spec(self) -> DynamicConvSpec: ...

    def __init__(self, *args: Any, **options: Any) -> None: ...

    def train(self, mode: bool = True) -> Any: ...


class Bank(Protocol):
    """What is used here of a `KernelBank`, whose module imports this one."""

    spec: KernelBankSpec
    weight: nn.Parameter
    bias: nn.Parameter | None


Layer = TypeVar("Layer", bound=Dynamic)


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


def layer_like(layer_class: type[Layer], conv: nn.Module, options: Mapping[str, Any]) -> Layer:
    """A layer with the geometry, padding mode, device, dtype and mode of `conv`.

    Its weights are random.

    Raises:
        ValueError: `conv` is no plain convolution of as many axes.
    """
    conv = plain_conv(conv)
    spec = static_spec(conv)
    if spec.rank != layer_class.rank:
        name, received = layer_class.__name__, type(conv).__name__
        raise ValueError(f"{name}: expected a Conv{layer_class.rank}d, received {received}")
    layer = layer_class(
        **spec.options() | {"padding": conv.padding},  # it may be a word, which the layer keeps
        padding_mode=conv.padding_mode,
        **options,
        device=conv.weight.device,
        dtype=conv.weight.dtype,
    )
    layer.train(conv.training)
    return layer


def copy_function(layer: Bank, conv: nn.Module, noise: float) -> None:
    """Gives `layer`, whose heads are zero, the function of `conv`.

    Args:
        layer: a dynamic convolution with the geometry of `conv`.
        conv: a plain convolution of `torch.nn`.
        noise: see `DynamicConv.from_static`.

    Raises:
        ValueError: `noise` is negative or no finite number.
    """
    conv, spec = plain_conv(conv), layer.spec
    if not (isfinite(noise) and noise >= 0):
        raise ValueError(f"noise: expected a number >= 0, received {noise!r}")
    with torch.no_grad():
        layer.weight.copy_(_experts(conv.weight, noise, spec))
        if layer.bias is not None and conv.bias is not None:
            gain = spec.start_gain if spec.mixes_biases else 1.0
            layer.bias.copy_((conv.bias / gain).expand(spec.bias_shape))


def _experts(kernel: torch.Tensor, noise: float, spec: KernelBankSpec) -> torch.Tensor:
    """Kernels (kernel_num, out, in // groups, *kernel) whose mixture at the start is `kernel`."""
    difference = torch.randn(spec.bank_shape, device=kernel.device, dtype=kernel.dtype)
    difference -= difference.mean(0)  # of a single kernel nothing is left
    return (kernel + noise * kernel.std(correction=0) * difference) / spec.start_gain
