"""What ODConv, DyConv and CondConv share: the bank of kernels, its geometry, its checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import torch
from torch import nn

from odconv_spec import DynamicConvSpec
from odconv_torch.layers.attributes import ConvAttributes
from odconv_torch.layers.forms.choice import Strategy
from odconv_torch.layers.from_static import copy_function, layer_like
from odconv_torch.layers.init import kaiming_normal_experts_
from odconv_torch.layers.padding import check_padding_mode, no_padding, pad
from odconv_torch.layers.temperature import set_temperature

Size = int | tuple[int, ...]
Padding = Size | tuple[tuple[int, int], ...] | str
Device = torch.device | str | None
Layer = TypeVar("Layer", bound="DynamicConv")

_MAPS = (("length",), ("height", "width"), ("depth", "height", "width"))  # by rank - 1


class DynamicConv(ConvAttributes, nn.Module):
    """A bank of kernels (kernel_num, out, in // groups, *kernel) that each sample mixes.

    Attributes:
        spec: all options in their normal form.
        weight: the bank.
        bias: (kernel_num, out) where each kernel has a bias, (out,) where not, or None.
        strategy: which form computes the convolution; see `set_strategy`.

    `in_channels`, `kernel_size` and so on are those of `torch.nn.Conv2d`, to be read.

    Example:
        >>> model = create_model("od_resnet18")
        >>> sum(isinstance(module, DynamicConv) for module in model.modules())
        16
    """

    rank: ClassVar[int]
    spec_class: ClassVar[type[DynamicConvSpec]]
    strategy = Strategy()  # the default
    spec: DynamicConvSpec
    bias: nn.Parameter | None

    def __init__(
        self,
        spec: DynamicConvSpec,
        padding: Padding,
        padding_mode: str = "zeros",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """Makes all arrays; a subclass makes the spec of its arguments."""
        super().__init__()
        self.spec = spec
        self._padding_mode = check_padding_mode(padding_mode)
        self._padding = spec.pads
        self._given_padding = padding  # which may be a word
        self.weight = nn.Parameter(torch.empty(spec.bank_shape, device=device, dtype=dtype))
        bias = torch.empty(spec.bias_shape, device=device, dtype=dtype) if spec.bias else None
        self.register_parameter("bias", None if bias is None else nn.Parameter(bias))
        self.reset_parameters()
        self._build_attention(device, dtype)

    @classmethod
    def from_spec(
        cls: type[Layer],
        spec: DynamicConvSpec,
        *,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> Layer:
        """The layer that `spec` describes, with random weights.

        A spec is checked when it is made, so nothing is checked or made a second time here; the
        `__init__` of the class, which makes a spec of its arguments, is not called.

        Args:
            spec: all options of the layer.
            device: where the parameters live.
            dtype: of the parameters.

        Returns:
            A layer of this class.

        Raises:
            ValueError: `spec` describes a layer of another class, or over other axes.

        Example:
            >>> spec = ODConvSpec(in_channels=16, out_channels=32, kernel_size=3, padding=1)
            >>> ODConv2d.from_spec(spec)(torch.rand(1, 16, 8, 9)).shape
            torch.Size([1, 32, 8, 9])
        """
        if type(spec) is not cls.spec_class or spec.rank != cls.rank:
            raise ValueError(
                f"{cls.__name__}.from_spec: expected a {cls.spec_class.__name__} with "
                f"rank={cls.rank}, received {spec!r}"
            )
        layer = cls.__new__(cls)
        DynamicConv.__init__(layer, spec, spec.pads, device=device, dtype=dtype)
        return layer

    def reset_parameters(self) -> None:
        """Kaiming normal for each kernel, zero biases. What weighs the kernels has its own."""
        kaiming_normal_experts_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def register_parameter(self, name: str, param: nn.Parameter | None) -> None:
        """As every module's, but for a bias that the layer was made without.

        Code that folds a batch norm into a convolution gives it one, after it took the bank for a
        single kernel.

        Raises:
            ValueError: it is such a bias.
        """
        if name == "bias" and param is not None and not self.spec.bias:
            raise ValueError(
                f"{type(self).__name__}: expected no bias in a layer made with bias=False, "
                f"received {tuple(param.shape)}; to fold a norm into it, use odconv_torch.fuse"
            )
        super().register_parameter(name, param)

    def set_temperature(self, temperature: float) -> None:
        """Sets the divisor of the attention logits; CondConv has none and is left alone.

        Raises:
            ValueError: `temperature` is not a positive finite number.
        """
        set_temperature(self, temperature)

    @classmethod
    def from_static(
        cls: type[Layer], conv: nn.Module, *, noise: float = 0.1, **options: Any
    ) -> Layer:
        """A layer that computes what `conv` computes, at any temperature, until it is trained.

        It has the geometry, bias, dtype and device of `conv`. Every kernel starts near that of
        `conv`, divided by the factor that the untrained attentions make, and the differences
        between kernels cancel in the mixture.

        Args:
            conv: a `torch.nn.Conv1d`, `Conv2d` or `Conv3d`, as this layer.
            noise: standard deviation of the differences over that of `conv`'s kernel. Kernels that
                are alike would get the same gradients for ever.
            **options: the layer's own, such as `kernel_num`; `head_init` is "zero" here.

        Returns:
            A new layer, with the mode (training or not) of `conv`.

        Raises:
            ValueError: `conv` is no plain convolution of this rank, `noise` is negative, or an
                option is out of range or would change the function.

        Example:
            >>> conv, x = torch.nn.Conv2d(16, 32, 3), torch.rand(1, 16, 8, 9)
            >>> torch.allclose(ODConv2d.from_static(conv)(x), conv(x), atol=1e-5)
            True
        """
        layer: Layer = layer_like(cls, conv, {"head_init": "zero", **options})
        copy_function(layer, conv, noise)
        return layer

    def _build_attention(self, device: Device, dtype: torch.dtype | None) -> None:
        """Makes what weighs the kernels."""
        raise NotImplementedError

    def _convolve(
        self,
        function: Callable[..., torch.Tensor],
        x: torch.Tensor,
        attention: Any,
    ) -> torch.Tensor:
        """`function` (`od_conv` or `mixed_conv`) of the input with this layer's arrays."""
        spec, padding = self.spec, self._padding
        if self._padding_mode != "zeros":
            x, padding = pad(x, padding, self._padding_mode), no_padding(spec.rank)
        geometry = (spec.strides, padding, spec.dilations, spec.groups)
        return function(x, self.weight, attention, self.bias, *geometry, self.strategy)

    def _apply(self: Layer, fn: Callable[..., torch.Tensor], recurse: bool = True) -> Layer:
        """Lets `to(memory_format=torch.channels_last)` pass by the bank, which has five axes."""

        def apply(tensor: torch.Tensor) -> torch.Tensor:
            try:
                return fn(tensor)
            except RuntimeError:
                if tensor.shape != self.weight.shape:
                    raise
                return fn(tensor.flatten(1)).unflatten(1, tensor.shape[1:])

        return super()._apply(apply, recurse)

    def _check_input(self, x: torch.Tensor) -> None:
        spec = self.spec
        if x.dim() != spec.rank + 2 or x.shape[1] != spec.in_channels:
            axes = ", ".join(("batch", str(spec.in_channels), *_MAPS[spec.rank - 1]))
            raise ValueError(
                f"{type(self).__name__}: expected an input ({axes}), received {tuple(x.shape)}"
            )

    def extra_repr(self) -> str:
        spec = self.spec
        text = f"{spec.in_channels}, {spec.out_channels}, kernel_size={spec.kernel}"
        text += f", stride={spec.strides}, padding={spec.pads}, dilation={spec.dilations}"
        text += f", groups={spec.groups}, bias={spec.bias}"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode!r}"
        return ", ".join((text, *(f"{k}={v!r}" for k, v in _notable(spec).items())))


def _notable(spec: DynamicConvSpec) -> dict[str, Any]:
    """The number of kernels, and the options that differ from their defaults."""
    return {
        field.name: getattr(spec, field.name)
        for field in spec.own_options()
        if field.name == "kernel_num" or getattr(spec, field.name) != field.default
    }
