"""A dynamic layer from a static convolution of Paddle."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, ClassVar, Protocol, TypeVar

import paddle
from paddle import nn
from paddle.nn.layer.conv import _ConvNd

from odconv_paddle.layers.padding import as_spec_padding
from odconv_spec import ConvSpec, DynamicConvSpec, KernelBankSpec

CONVS: tuple[type[_ConvNd], ...] = (nn.Conv1D, nn.Conv2D, nn.Conv3D)  # by rank - 1


class Dynamic(Protocol):
    """What is used here of a `DynamicConv`, whose module imports this one."""

    rank: ClassVar[int]
    spec_class: ClassVar[type[DynamicConvSpec]]

    def __init__(self, *args: Any, **options: Any) -> None: ...

    def to(self, *args: Any, **options: Any) -> Any: ...

    def train(self) -> Any: ...

    def eval(self) -> Any: ...


class Bank(Protocol):
    """What is used here of a `KernelBank`, whose module imports this one."""

    spec: KernelBankSpec
    weight: Any
    bias: paddle.Tensor | None


Layer = TypeVar("Layer", bound=Dynamic)


def layer_like(layer_class: type[Layer], conv: nn.Layer, options: Mapping[str, Any]) -> Layer:
    """A layer with the geometry, bias, dtype, device and mode of `conv`.

    Its weights are random.

    Raises:
        ValueError: `conv` is no plain convolution of as many axes, or an option is unknown or out
            of range.
    """
    spec = static_spec(conv)
    if spec.rank != layer_class.rank:
        raise ValueError(
            f"conv: expected Conv{layer_class.rank}D for {layer_class.__name__}, received "
            f"{type(conv).__name__}"
        )
    check_options(layer_class.spec_class, options)
    layer = layer_class(
        **geometry(spec), bias_attr=spec.bias, data_format=conv._data_format, **options
    )
    layer.to(device=device_of(conv.weight), dtype=conv.weight.dtype)
    if conv.training:
        layer.train()
    else:
        layer.eval()
    return layer


def device_of(tensor: paddle.Tensor) -> str:
    """Where a tensor lives, as text such as "gpu:0": Paddle 3.2 takes no general `Place`."""
    return str(tensor.place).removeprefix("Place(").removesuffix(")")


def static_spec(layer: nn.Layer) -> ConvSpec:
    """The spec of a convolution of `paddle.nn`.

    Raises:
        ValueError: it is none, or it computes something else than its spec says.
    """
    conv, rank = _plain(layer)
    # Beside "SAME" Paddle ignores the dilation.
    same = isinstance(conv._padding, str) and conv._padding.upper() == "SAME"
    channels_last = not conv._data_format.startswith("NC")
    spec = ConvSpec(
        in_channels=conv._in_channels,
        out_channels=conv._out_channels,
        kernel_size=conv._kernel_size,
        stride=conv._stride,
        padding=as_spec_padding(conv._padding, rank, channels_last),
        dilation=1 if same else conv._dilation,
        groups=conv._groups,
        bias=conv.bias is not None,
        rank=rank,
    )
    return replace(spec, padding=spec.pads)  # "SAME" beside a stride has no numbers, and raises


def geometry(spec: ConvSpec) -> dict[str, Any]:
    """The arguments of a layer of any kind with the geometry of `spec`."""
    names = {field.name for field in fields(ConvSpec)} - {"bias", "rank"}
    return {name: value for name, value in spec.options().items() if name in names}


def check_options(spec_class: type[DynamicConvSpec], options: Mapping[str, Any]) -> None:
    """Raises ValueError for options that the kind does not have, or with values out of range."""
    known = {field.name for field in spec_class.own_options()}
    unknown = sorted(set(options) - known)
    if unknown:
        raise ValueError(
            f"expected options among {', '.join(sorted(known))}; received {', '.join(unknown)}"
        )
    spec_class(**spec_class.probe(options), **options)


def _plain(layer: nn.Layer) -> tuple[_ConvNd, int]:
    """The layer, if it is a plain convolution, and its rank."""
    for rank, kind in enumerate(CONVS, start=1):
        if isinstance(layer, kind) and _forward(layer) is kind.forward:
            _check_plain(layer)
            return layer, rank
    raise ValueError(
        "conv: expected a Conv1D, Conv2D or Conv3D of paddle.nn with the forward of its class, "
        f"received {type(layer).__name__}"
    )


def _forward(layer: nn.Layer) -> Any:
    return vars(layer).get("forward", type(layer).forward)


def _check_plain(conv: _ConvNd) -> None:
    if conv._padding_mode != "zeros":
        raise ValueError(
            f"padding_mode: expected 'zeros', received {conv._padding_mode!r}; give the "
            "convolution no padding, and call paddle.nn.functional.pad before it"
        )
    if conv._forward_pre_hooks or conv._forward_post_hooks:
        raise ValueError(
            "conv: expected no hooks, which may change what it computes, received "
            f"{type(conv).__name__} with hooks; remove them before"
        )
    if not conv.weight._is_initialized():
        raise ValueError(
            f"conv: expected values, received {type(conv).__name__} made under "
            "paddle.LazyGuard; initialize() its parameters before"
        )


@paddle.no_grad()
def copy_function(layer: Bank, conv: nn.Layer, noise: float) -> None:
    """Gives `layer`, whose heads are zero, the function of `conv`.

    Its kernels differ by noise that cancels: alike kernels would get alike gradients for ever.

    Args:
        layer: a dynamic convolution with the geometry of `conv`.
        conv: a plain convolution of `paddle.nn`.
        noise: see `DynamicConv.from_static`.

    Raises:
        ValueError: `noise` is negative or no finite number.
    """
    spec = layer.spec
    if not 0 <= noise < math.inf:
        raise ValueError(f"noise: expected a number >= 0, received {noise!r}")
    kernel = conv.weight  # (out, in // groups, *kernel)
    bank = kernel.unsqueeze(0).tile([spec.kernel_num, *[1] * kernel.ndim])
    if noise and spec.kernel_num > 1:
        e = paddle.randn(bank.shape, bank.dtype)
        spread = (kernel - kernel.mean()).square().mean().sqrt()
        bank = bank + noise * spread * (e - e.mean(0, keepdim=True))
    layer.weight.set_value(bank / spec.start_gain)
    if layer.bias is not None:
        bias = conv.bias / spec.start_gain if spec.mixes_biases else conv.bias
        layer.bias.set_value(paddle.broadcast_to(bias, list(spec.bias_shape)))
