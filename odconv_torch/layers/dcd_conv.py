"""Convolutions with dynamic channel fusion for one, two and three spatial axes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from odconv_spec import DCDConvSpec
from odconv_torch.layers.build_static import build_static_conv
from odconv_torch.layers.channel_fusion import ChannelFusion
from odconv_torch.layers.dynamic import Device, DynamicConv, Padding, Size
from odconv_torch.layers.from_static import plain_conv
from odconv_torch.layers.leaf import leaf
from odconv_torch.layers.padding import pad
from odconv_torch.layers.pooling import adaptive_mean, global_mean


class _DCDConv(ChannelFusion, DynamicConv):
    spec_class = DCDConvSpec
    spec: DCDConvSpec

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
        form: str = "basic",
        fc_squeeze: int = 16,
        head_init: str = "published",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        spec = DCDConvSpec(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
            rank=self.rank,
            form=form,
            fc_squeeze=fc_squeeze,
            head_init=head_init,
        )
        DynamicConv.__init__(self, spec, padding, padding_mode, device, dtype)

    @leaf
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._check_input(x)
        phi, scale = self._phi_and_scale(self._pooled(x))
        y = self.conv(x if self._pads_inside else self._around(x))
        low_rank = self.p_layer(self._fused(phi, self.q_layer(self._centre(x))))
        # In one pass: memory for another map takes longer than the product.
        return torch.addcmul(low_rank, y, scale.reshape(*scale.shape, *(1,) * self.spec.rank))

    def attentions(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        self._check_input(x)
        phi, scale = self._phi_and_scale(self._pooled(x))
        return {"phi": phi, "scale": scale}

    def fold(self, scale: torch.Tensor, shift: torch.Tensor) -> None:
        p = self.p_layer
        rows = scale.reshape(-1, *[1] * (self.spec.rank + 1))  # (out, 1, *ones)
        bias = shift if p.bias is None else p.bias * scale + shift
        for layer in (self.conv, p):
            layer.weight = nn.Parameter((layer.weight * rows).to(layer.weight.dtype))
        p.bias = nn.Parameter(bias.to(p.weight.dtype))

    @property
    def q_layer(self) -> Any:
        """Q, which the published code calls `q` or `conv_q`.

        Returns:
            A 1x1 convolution.
        """
        return getattr(self, self.spec.q_path)

    @property
    def p_layer(self) -> Any:
        """P, which the published code calls `p` or `conv_p`; it holds the bias.

        Returns:
            A 1x1 convolution.
        """
        return getattr(self, self.spec.p_path)

    def _build(self, device: Device, dtype: torch.dtype | None) -> None:
        spec, options = self.spec, (device, dtype)
        uneven = any(before != after for before, after in spec.pads)
        # The convolutions of torch pad both sides alike.
        self._pads_inside = self._padding_mode == "zeros" and not uneven
        conv = spec.conv() if self._pads_inside else replace(spec.conv(), padding=0)
        self.conv = build_static_conv(conv, *options)
        self.add_module(spec.q_path, build_static_conv(spec.q(), *options))
        # The published MobileNetV2 has its linear layers here, and starts all of them small.
        inverted = spec.form == "inverted"
        if inverted:
            self._add_fusion(spec, True, *options)
        self.add_module(spec.p_path, build_static_conv(spec.p(), *options))
        self._add_norms(spec.dim, (spec.rank, 1), *options)
        if not inverted:
            self._add_fusion(spec, False, *options)
        if spec.head_init == "zero":
            nn.init.zeros_(self.p_layer.weight)
            nn.init.zeros_(self.fc_scale.weight)

    def _take_function(self, conv: nn.Module) -> None:
        """The product of low rank is zero, and the scale one."""
        conv = plain_conv(conv)
        self.conv.weight.copy_(conv.weight)
        if conv.bias is not None:
            self.p_layer.bias.copy_(conv.bias)

    def _pooled(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, pooled)"""
        spec = self.spec
        means = global_mean(x) if spec.pool == 1 else adaptive_mean(x, (spec.pool,) * spec.rank)
        return means.flatten(1)

    def _around(self, x: torch.Tensor) -> torch.Tensor:
        """The padded map."""
        return pad(x, self._padding, self._padding_mode)

    def _centre(self, x: torch.Tensor) -> torch.Tensor:
        """The positions that the centre of the kernel sees, before strides."""
        if self.spec.centred:
            return x
        x = self._around(x)
        for axis, (before, after) in enumerate(self.spec.beside_centre, start=2):
            x = x.narrow(axis, before, x.shape[axis] - before - after)
        return x


class DCDConv1d(_DCDConv):
    """`DCDConv2d` over one axis: (batch, in, length) to (batch, out, length).

    Example:
        >>> DCDConv1d(16, 32, 3, padding=1)(torch.rand(1, 16, 9)).shape
        torch.Size([1, 32, 9])
    """

    rank = 1


class DCDConv2d(_DCDConv):
    """A convolution with dynamic channel fusion, https://arxiv.org/abs/2103.08756.

    The output of a static convolution is scaled, and a product of low rank is added, whose
    channels a matrix phi fuses; the scale and phi are computed from means over the sample:

        y = scale * conv(x) + P t + bias,   t = norm2(phi q) + q,   q = norm1(Q x)

    No sample has a kernel of its own: these are ordinary convolutions of the whole batch. Takes the
    arguments of `torch.nn.Conv2d` in their order; the published layer has no bias, so `bias` is off
    by default. There is no temperature. Arrays have the names of
    https://github.com/liyunsheng13/dcd.

    Shapes: (batch, in_channels, height, width) to (batch, out_channels, height, width), the maps
    being those of `torch.nn.Conv2d`.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: taps along height and width.
        stride: step along height and width.
        padding: values on both sides of each axis, (before, after) pairs, "valid" or "same".
        dilation: distance of neighbouring taps.
        groups: number of groups of channels of the static convolution; divides both widths.
        bias: adds a learnt offset, that of P.
        padding_mode: "zeros", "reflect", "replicate" or "circular", of the static convolution.
        form: "basic" reads means over four windows, "bottleneck" one mean, "inverted" four where
            the output is wider; each has its own rule for the rank, see `odconv_spec.DCDConvSpec`.
        fc_squeeze: what is read over the hidden width of the layers that compute phi and the scale.
        head_init: "published", or "zero", which starts as the static convolution alone.
        device: where the parameters live.
        dtype: of the parameters.

    Raises:
        ValueError: an option is out of range, or the input has another rank or channel count.

    Example:
        >>> DCDConv2d(16, 32, 3, padding=1)(torch.rand(1, 16, 8, 9)).shape
        torch.Size([1, 32, 8, 9])
    """

    rank = 2


class DCDConv3d(_DCDConv):
    """`DCDConv2d` over three axes: (batch, in, depth, height, width).

    Example:
        >>> DCDConv3d(16, 32, 3, padding=1)(torch.rand(1, 16, 7, 8, 9)).shape
        torch.Size([1, 32, 7, 8, 9])
    """

    rank = 3
