"""DyConv layers for one, two and three spatial axes."""

from __future__ import annotations

import torch

from odconv_spec import DyConvSpec
from odconv_torch.layers.dy_attention import DyAttention
from odconv_torch.layers.dynamic import Device, Padding, Size
from odconv_torch.layers.functional import mixed_conv
from odconv_torch.layers.kernel_bank import KernelBank
from odconv_torch.layers.leaf import leaf


class _DyConv(KernelBank):
    spec_class = DyConvSpec
    spec: DyConvSpec

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        kernel_num: int = 4,
        reduction: float = 0.25,
        hidden_rule: str = "paper",
        hidden_channels: int | None = None,
        fc1_bias: bool = False,
        fc2_bias: bool = True,
        head_init: str = "zero",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        spec = DyConvSpec(
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
            hidden_rule=hidden_rule,
            hidden_channels=hidden_channels,
            fc1_bias=fc1_bias,
            fc2_bias=fc2_bias,
            head_init=head_init,
        )
        super().__init__(spec, padding, padding_mode, device, dtype)

    def _build_attention(self, device: Device, dtype: torch.dtype | None) -> None:
        self.attention = DyAttention(self.spec, device, dtype)

    @leaf
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._check_input(x)
        return self._convolve(mixed_conv, x, self.attention(x))


class DyConv1d(_DyConv):
    """`DyConv2d` over one axis: (batch, in, length) to (batch, out, length).

    Example:
        >>> DyConv1d(16, 32, 3, padding=1)(torch.rand(1, 16, 9)).shape
        torch.Size([1, 32, 9])
    """

    rank = 1


class DyConv2d(_DyConv):
    """Dynamic convolution, https://arxiv.org/abs/1912.03458.

    Mixes `kernel_num` kernels and biases for each sample by a softmax that two small layers compute
    from the sample's mean over space:

        y = conv(x, sum_k attention_k * weight_k) + sum_k attention_k * bias_k

    Takes the arguments of `torch.nn.Conv2d` in their order. Anneal the temperature from 30 to 1
    over the first epochs, as published (`odconv_torch.TemperatureScheduler`): a softmax that is
    nearly one-hot from the start trains one kernel only.

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
        bias: gives each kernel a bias, mixed like the kernels.
        padding_mode: "zeros", "reflect", "replicate" or "circular".
        kernel_num: number of kernels that are mixed.
        reduction: hidden width of the attention over `in_channels`.
        hidden_rule: "paper" rounds that width down, to 1 at least; "plus_one" adds one to it, as
            circulating code does.
        hidden_channels: the hidden width itself, whatever the two rules say.
        fc1_bias: gives the attention's first layer a bias.
        fc2_bias: gives its second layer one.
        head_init: "zero" starts with equal weights, so as a plain convolution; "published" starts
            the attention's second layer at Kaiming normal like the first.
        device: where the parameters live.
        dtype: of the parameters.

    Raises:
        ValueError: an option is out of range, or the input has another rank or channel count.

    Example:
        >>> DyConv2d(16, 32, 3, padding=1)(torch.rand(1, 16, 8, 9)).shape
        torch.Size([1, 32, 8, 9])
    """

    rank = 2


class DyConv3d(_DyConv):
    """`DyConv2d` over three axes: (batch, in, depth, height, width).

    Example:
        >>> DyConv3d(16, 32, 3, padding=1)(torch.rand(1, 16, 7, 8, 9)).shape
        torch.Size([1, 32, 7, 8, 9])
    """

    rank = 3
