"""ODConv layers for one, two and three spatial axes."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from odconv_spec import ODConvSpec
from odconv_torch.layers.attention import ODAttention
from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.dynamic import Device, Padding, Size
from odconv_torch.layers.functional import od_conv
from odconv_torch.layers.kernel_bank import KernelBank
from odconv_torch.layers.leaf import leaf

_CONSTANT = Attentions()


class _ODConv(KernelBank):
    spec_class = ODConvSpec
    spec: ODConvSpec
    attention: ODAttention | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = False,
        padding_mode: str = "zeros",
        *,
        kernel_num: int = 4,
        reduction: float = 0.0625,
        min_channels: int = 16,
        head_init: str = "zero",
        attentions: Sequence[str] = ("channel", "filter", "spatial", "kernel"),
        spatial_activation: str = "sigmoid",
        attention_sharing: bool = True,
        norm: str = "batch",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        spec = ODConvSpec(
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
            attentions=attentions,
            spatial_activation=spatial_activation,
            attention_sharing=attention_sharing,
            norm=norm,
        )
        super().__init__(spec, padding, padding_mode, device, dtype)

    def _build_attention(self, device: Device, dtype: torch.dtype | None) -> None:
        spec = self.spec
        self.attention = ODAttention(spec, device, dtype) if spec.heads() else None

    @leaf
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._check_input(x)
        return self._convolve(od_conv, x, self.attention(x) if self.attention else _CONSTANT)


class ODConv1d(_ODConv):
    """`ODConv2d` over one axis: (batch, in, length) to (batch, out, length).

    Example:
        >>> ODConv1d(16, 32, 3, padding=1)(torch.rand(1, 16, 9)).shape
        torch.Size([1, 32, 9])
    """

    rank = 1


class ODConv2d(_ODConv):
    """Omni-dimensional dynamic convolution, https://openreview.net/forum?id=DmpCfq6Mg39.

    Mixes `kernel_num` kernels for each sample and scales their taps, input channels and output
    channels, all by attentions computed from the sample itself:

        y = filter * conv(channel * x, spatial * sum_k kernel_k * weight_k) + bias

    Takes the arguments of `torch.nn.Conv2d` in their order; the published layer has no bias, so
    `bias` is off by default. A batch of one trains, on the running statistics of the attention's
    norm.

    Shapes: (batch, in_channels, height, width) to (batch, out_channels, height, width), the maps
    being those of `torch.nn.Conv2d`.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: taps along height and width.
        stride: step along height and width.
        padding: values on both sides of each axis, (before, after) pairs, "valid" or "same".
        dilation: distance of neighbouring taps.
        groups: number of groups of channels; divides both widths.
        bias: adds a learnt offset after the filter attention.
        padding_mode: "zeros", "reflect", "replicate" or "circular".
        kernel_num: number of kernels that are mixed.
        reduction: hidden width of the attention over `in_channels`.
        min_channels: the least hidden width.
        head_init: "zero" starts as a plain convolution, which is what trains on small data;
            "published" is the Kaiming normal start of the official code.
        attentions: which of the four exist; without "kernel", `kernel_num` must be 1.
        spatial_activation: "sigmoid", or "softmax" over the taps.
        attention_sharing: whether all kernels share their channel, filter and spatial attention.
            Attentions of each kernel take `kernel_num` times the memory for kernels.
        norm: of the attention's hidden layer: "batch", "layer" (of each sample) or "none".
        device: where the parameters live.
        dtype: of the parameters.

    Raises:
        ValueError: an option is out of range, or the input has another rank or channel count.

    Example:
        >>> ODConv2d(16, 32, 3, padding=1)(torch.rand(1, 16, 8, 9)).shape
        torch.Size([1, 32, 8, 9])
    """

    rank = 2


class ODConv3d(_ODConv):
    """`ODConv2d` over three axes: (batch, in, depth, height, width).

    Example:
        >>> ODConv3d(16, 32, 3, padding=1)(torch.rand(1, 16, 7, 8, 9)).shape
        torch.Size([1, 32, 7, 8, 9])
    """

    rank = 3
