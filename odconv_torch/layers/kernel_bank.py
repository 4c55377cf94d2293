"""What ODConv, DyConv and CondConv share: the bank of kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import nn

from odconv_spec import KernelBankSpec
from odconv_torch.layers.dynamic import Device, DynamicConv
from odconv_torch.layers.from_static import copy_function, layer_like
from odconv_torch.layers.init import kaiming_normal_experts_
from odconv_torch.layers.memory_format import passing_by

Layer = TypeVar("Layer", bound="KernelBank")


class KernelBank(DynamicConv):
    """A bank of kernels (kernel_num, out, in // groups, *kernel) that each sample mixes.

    Attributes:
        weight: the bank.
        bias: (kernel_num, out) where each kernel has a bias, (out,) where not, or None.

    Example:
        >>> isinstance(ODConv2d(16, 32, 3), KernelBank)
        True
    """

    spec: KernelBankSpec
    bias: nn.Parameter | None

    def _build(self, device: Device, dtype: torch.dtype | None) -> None:
        spec = self.spec
        self.weight = nn.Parameter(torch.empty(spec.bank_shape, device=device, dtype=dtype))
        bias = torch.empty(spec.bias_shape, device=device, dtype=dtype) if spec.bias else None
        self.register_parameter("bias", None if bias is None else nn.Parameter(bias))
        self.reset_parameters()
        self._build_attention(device, dtype)

    def reset_parameters(self) -> None:
        """Kaiming normal for each kernel, zero biases. What weighs the kernels has its own."""
        kaiming_normal_experts_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

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
        layer: Layer = layer_like(cls, conv, {**cls.spec_class.static_start(), **options})
        layer.spec.check_static_start()
        copy_function(layer, conv, noise)
        return layer

    def attentions(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        mixer = getattr(self, self.spec.mixer)
        if mixer is None:
            return {}
        found = mixer(x)
        table = found._asdict() if hasattr(found, "_asdict") else {"kernel": found}
        return {name: value for name, value in table.items() if value is not None}

    def fold(self, scale: torch.Tensor, shift: torch.Tensor) -> None:
        rows = scale.reshape(-1, *[1] * (self.weight.dim() - 2))  # (out, 1, *ones)
        bias = shift if self.bias is None else self.bias * scale + shift
        bias = bias.to(self.weight.dtype).expand(self.spec.bias_shape)
        self.weight = nn.Parameter((self.weight * rows).to(self.weight.dtype))
        self.bias = nn.Parameter(bias.contiguous())

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
        x, window = self._padded(x)
        return function(x, self.weight, attention, self.bias, *window, self.strategy)

    def _apply(self: Layer, fn: Callable[..., torch.Tensor], recurse: bool = True) -> Layer:
        """Lets `to(memory_format=torch.channels_last)` pass by the bank, which has five axes."""
        return super()._apply(passing_by([self.weight], fn), recurse)

    def _notable(self) -> dict[str, Any]:
        return {"kernel_num": self.spec.kernel_num} | super()._notable()
