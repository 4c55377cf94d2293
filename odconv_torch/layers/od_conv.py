"""ODConv layers for one, two and three spatial axes."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from odconv_spec import ODConvSpec
from odconv_torch.layers.attention import ODConvAttention
from odconv_torch.layers.functional import od_conv
from odconv_torch.layers.init import kaiming_normal_experts_
from odconv_torch.layers.temperature import set_temperature

Size = int | tuple[int, ...]


class _ODConv(nn.Module):
    rank: ClassVar[int]
    bias: nn.Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | tuple[tuple[int, int], ...] | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = False,
        *,
        kernel_num: int = 4,
        reduction: float = 0.0625,
        min_channels: int = 16,
        head_init: str = "zero",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.spec = spec = ODConvSpec(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
            rank=self.rank,
            kernel_num=kernel_num,
            reduction=reduction,
            min_channels=min_channels,
            head_init=head_init,
        )
        self._padding = spec.pads
        self.attention = ODConvAttention(spec, device, dtype)
        shape = (kernel_num, *spec.kernel_shape)  # (kernel_num, out, in // groups, *kernel)
        self.weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        offset = torch.empty(out_channels, device=device, dtype=dtype) if bias else None
        self.register_parameter("bias", None if offset is None else nn.Parameter(offset))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Kaiming normal for each kernel, zero bias. The attention has its own."""
        kaiming_normal_experts_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def set_temperature(self, temperature: float) -> None:
        """Sets the divisor of the attention logits. Raises ValueError if it is not positive."""
        set_temperature(self, temperature)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spec = self.spec
        return od_conv(
            x,
            self.weight,
            self.attention(x),
            self.bias,
            spec.strides,
            self._padding,
            spec.dilations,
            spec.groups,
        )

    def extra_repr(self) -> str:
        spec = self.spec
        shown = f"{spec.in_channels}, {spec.out_channels}, kernel_size={spec.kernel}"
        shown += f", stride={spec.strides}, padding={spec.pads}, dilation={spec.dilations}"
        return f"{shown}, groups={spec.groups}, bias={spec.bias}, kernel_num={spec.kernel_num}"


class ODConv1d(_ODConv):
    """`ODConv2d` over one axis: (batch, in, length) to (batch, out, length)."""

    rank = 1


class ODConv2d(_ODConv):
    """Omni-dimensional dynamic convolution, https://openreview.net/forum?id=DmpCfq6Mg39.

    Mixes `kernel_num` kernels for each sample and scales their taps, input channels and output
    channels, all by attentions computed from the sample itself. Takes the arguments of
    `torch.nn.Conv2d` in their order; the published layer has no bias, so `bias` is off by default.

    Shapes: (batch, in_channels, height, width) to (batch, out_channels, height, width), the maps
    being those of `torch.nn.Conv2d`.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: taps along height and width.
        stride: step along height and width.
        padding: zeros on both sides of each axis, (before, after) pairs, "valid" or "same".
        dilation: distance of neighbouring taps.
        groups: number of groups of channels; divides both widths.
        bias: adds a learnt offset after the filter attention.
        kernel_num: number of kernels that are mixed.
        reduction: hidden width of the attention over `in_channels`.
        min_channels: the least hidden width.
        head_init: "zero" starts as a plain convolution, which is what trains on small data;
            "published" is the Kaiming normal start of the official code.

    Raises:
        ValueError: an option is out of range.

    Example:
        >>> ODConv2d(16, 32, 3, padding=1)(torch.rand(1, 16, 8, 9)).shape
        torch.Size([1, 32, 8, 9])
    """

    rank = 2


class ODConv3d(_ODConv):
    """`ODConv2d` over three axes: (batch, in, depth, height, width)."""

    rank = 3
