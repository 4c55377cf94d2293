"""Frequency dynamic convolution for two spatial axes."""

from __future__ import annotations

from math import prod

import torch
from torch import nn

from odconv_spec import FDConvSpec
from odconv_torch.layers.dynamic import Device, DynamicConv, Padding, Size
from odconv_torch.layers.fd_attention import GlobalModulation, LocalModulation, Modulation
from odconv_torch.layers.forms.per_sample import conv_per_sample
from odconv_torch.layers.forms.recording import records_a_graph
from odconv_torch.layers.forms.scaled import times
from odconv_torch.layers.frequency_bands import FrequencyBands
from odconv_torch.layers.from_static import plain_conv
from odconv_torch.layers.init import kaiming_normal_
from odconv_torch.layers.leaf import leaf
from odconv_torch.layers.pooling import global_mean
from odconv_torch.layers.spectrum import FrequencyOrder, spectrum_of


class FDConv2d(DynamicConv):
    """Frequency dynamic convolution, https://arxiv.org/abs/2503.18783.

    Stores the spectrum of one kernel, cuts its frequencies into `kernel_num` groups, and weighs
    them for each sample; attentions scale the input channels, output channels and taps of what
    comes back, and each of its elements. A layer of 3x3 taps scales the frequency bands of the map
    at each position before:

        W = irfft2(sum_g kernel_g * dft_weight_g)
        y = conv(bands(x), channel * filter * spatial * local * W) + bias

    Takes the arguments of `torch.nn.Conv2d` in their order. The arrays are those of
    https://github.com/Linwei-Chen/FDConv, and `frequency_order.indices`, which frequencies each
    group has: there the order is made anew by each process, and depends on its PyTorch.

    Shapes: (batch, in_channels, height, width) to (batch, out_channels, height, width), the maps
    being those of `torch.nn.Conv2d`.

    Args:
        in_channels: channels of the input, an even number.
        out_channels: channels of the output, two at least.
        kernel_size: taps along height and width, 1 or 3.
        stride: step along height and width.
        padding: values on both sides of each axis, (before, after) pairs, "valid" or "same".
        dilation: distance of neighbouring taps.
        groups: 1.
        bias: gives the layer a bias.
        padding_mode: "zeros", "reflect", "replicate" or "circular".
        kernel_num: number of groups; divides the number of frequencies.
        reduction: hidden width of the attention over `in_channels`; it is 16 at least.
        param_ratio: number of spectra. The published start makes as many times the kernel of one.
        temperature: divides the logits of the attentions but the local one. It does not change.
        head_init: "published" starts all heads near zero but that of the output channels; "zero"
            all, so as a plain convolution.
        device: where the parameters live.
        dtype: of the parameters.

    Raises:
        ValueError: an option is out of range, or the input has another rank or channel count.

    Example:
        >>> FDConv2d(16, 32, 3, padding=1)(torch.rand(1, 16, 8, 9)).shape
        torch.Size([1, 32, 8, 9])
    """

    rank = 2
    spec_class = FDConvSpec
    spec: FDConvSpec
    bias: nn.Parameter | None
    FBM: FrequencyBands | None

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
        reduction: float = 0.0625,
        param_ratio: int = 1,
        temperature: float = 1.0,
        head_init: str = "published",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        spec = FDConvSpec(
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
            param_ratio=param_ratio,
            temperature=temperature,
            head_init=head_init,
        )
        super().__init__(spec, padding, padding_mode, device, dtype)

    def _build(self, device: Device, dtype: torch.dtype | None) -> None:
        spec = self.spec
        shape = (spec.param_ratio, *spec.order().spectrum, 2)
        self.dft_weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        bias = torch.empty(spec.bias_shape, device=device, dtype=dtype) if spec.bias else None
        self.register_parameter("bias", None if bias is None else nn.Parameter(bias))
        self.reset_parameters()
        self.frequency_order = FrequencyOrder(spec.order(), device)
        self.KSM_Global = GlobalModulation(spec, device, dtype)
        self.KSM_Local = LocalModulation(spec, device, dtype)
        self.FBM = FrequencyBands(spec, device, dtype) if spec.has_bands else None

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """The spectrum of a Kaiming normal kernel, and a bias of zeros."""
        dtype = torch.promote_types(self.dft_weight.dtype, torch.float32)
        kernel = torch.empty(self.spec.kernel_shape, device=self.dft_weight.device, dtype=dtype)
        kaiming_normal_(kernel)
        self.dft_weight.copy_(spectrum_of(kernel, self.spec))
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    @leaf
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._check_input(x)
        if not records_a_graph() and x.shape[0] == 0:  # of which there is no transform
            return self(torch.cat([x, x.new_zeros(1, *x.shape[1:])]))[:0]
        pooled = global_mean(x)
        attentions: Modulation = self.KSM_Global(pooled)
        kernels = self._kernels(attentions.kernel, self.KSM_Local(pooled))
        if self.FBM is not None:
            x = self.FBM(x)
        x, window = self._padded(x)
        x, kernels, factor = _scaled(x, kernels, attentions)
        y = conv_per_sample(x, kernels, window, self.strategy)
        y = times(y, None if factor is None else factor.to(y.dtype))
        return y if self.bias is None else y + self.bias.to(y.dtype)[:, None, None]

    def attentions(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        pooled = global_mean(x)
        named = self.KSM_Global(pooled)._asdict()
        found = {name: value for name, value in named.items() if value is not None}
        # (batch, in, out * taps)
        return {**found, "local_logits": self.KSM_Local(pooled).transpose(1, 2)}

    def _kernels(self, weights: torch.Tensor, local: torch.Tensor) -> torch.Tensor:
        """The kernel of each sample, (batch, out, height, in, width) with the taps between.

        `weights` are those of the groups of frequencies, `local` the logits of each element.
        """
        spec = self.spec
        dtype = torch.promote_types(self.dft_weight.dtype, torch.float32)  # which transforms need
        gates = local.to(dtype).sigmoid().unflatten(1, (spec.out_channels, *spec.kernel))
        # The gates are twice their sigmoid.
        weights = weights.to(dtype) * (2 * spec.gain)
        planes: torch.Tensor = self.frequency_order(self.dft_weight.to(dtype), weights)
        height, width = spec.kernel
        kernels = planes.reshape(-1, spec.out_channels, height, spec.in_channels, width)
        return kernels * gates.transpose(3, 4)

    def _take_function(self, conv: nn.Module) -> None:
        conv, spec = plain_conv(conv), self.spec
        dtype = torch.promote_types(conv.weight.dtype, torch.float32)
        self.dft_weight.copy_(spectrum_of(conv.weight.to(dtype), spec) / spec.param_ratio)
        if self.bias is not None and conv.bias is not None:
            self.bias.copy_(conv.bias)


def _scaled(
    x: torch.Tensor, kernels: torch.Tensor, attentions: Modulation
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """The input, the kernels (batch, out, in, *kernel), and what still scales the output.

    Modulation of channels scale the maps or the kernels, whichever are smaller.
    """
    channel, filters = attentions.channel.to(kernels.dtype), attentions.filter.to(kernels.dtype)
    spatial = attentions.spatial
    if spatial is not None:
        spatial = spatial.to(kernels.dtype).transpose(2, 3)  # (batch, 1, height, 1, width)
    out, inputs = kernels.shape[1], kernels.shape[3]
    if not records_a_graph() and prod(kernels.shape[1:]) < (inputs + out) * prod(x.shape[2:]):
        channel = channel[:, None, None, :, :, 0]  # (batch, 1, 1, in, 1)
        kernels = kernels * (channel if spatial is None else channel * spatial)
        return x, (kernels * filters[..., None]).transpose(2, 3).contiguous(), None
    kernels = kernels if spatial is None else kernels * spatial
    return x * channel.to(x.dtype), kernels.transpose(2, 3).contiguous(), filters
