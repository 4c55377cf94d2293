"""CGConv layers for one, two and three spatial axes."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from odconv_spec import CGConvSpec, LinearSpec, NormSpec
from odconv_torch.layers.build_static import build_norm
from odconv_torch.layers.dynamic import Device, DynamicConv, Padding, Size
from odconv_torch.layers.forms.gated import gated_conv, gates
from odconv_torch.layers.forms.grouped import CONVS
from odconv_torch.layers.from_static import plain_conv
from odconv_torch.layers.init import kaiming_normal_
from odconv_torch.layers.leaf import leaf
from odconv_torch.layers.pooling import adaptive_mean


class _CGConv(DynamicConv):
    spec_class = CGConvSpec
    spec: CGConvSpec
    bias: nn.Parameter | None

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
        head_init: str = "published",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        spec = CGConvSpec(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
            rank=self.rank,
            head_init=head_init,
        )
        super().__init__(spec, padding, padding_mode, device, dtype)

    def _build(self, device: Device, dtype: torch.dtype | None) -> None:
        spec = self.spec
        # (out, in // groups, *kernel)
        self.weight = nn.Parameter(torch.empty(spec.kernel_shape, device=device, dtype=dtype))
        bias = torch.empty(spec.bias_shape, device=device, dtype=dtype) if spec.bias else None
        self.register_parameter("bias", None if bias is None else nn.Parameter(bias))
        self.reset_parameters()
        if spec.gated:
            self._build_gate(device, dtype)

    def _build_gate(self, device: Device, dtype: torch.dtype | None) -> None:
        spec = self.spec
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        self.ce = _Linear(spec.encoder(), **options)
        self.ce_bn = build_norm(NormSpec(spec.in_channels), 1, **options)
        self.ci_bn2 = build_norm(NormSpec(spec.in_channels), 1, **options)
        self.ci = _Linear(spec.interaction(), **options)
        self.ci_bn = build_norm(NormSpec(spec.out_channels), 1, **options)
        self.gd = _Linear(spec.decoder(), spec.head_init, **options)
        self.gd2 = _Linear(spec.decoder(), spec.head_init, **options)

    def reset_parameters(self) -> None:
        """Kaiming normal, a bias of zeros. What makes the gate has its own."""
        kaiming_normal_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def attentions(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """The gate, (batch, out, in, *kernel); nothing where the kernel has one tap."""
        if not self.spec.gated:
            return {}
        gate = gates(*self._gate_sides(x))  # (batch, out, in, taps)
        return {"gate": gate.unflatten(3, self.spec.kernel)}

    def fold(self, scale: torch.Tensor, shift: torch.Tensor) -> None:
        rows = scale.reshape(-1, *[1] * (self.weight.dim() - 1))  # (out, 1, *ones)
        bias = shift if self.bias is None else self.bias * scale + shift
        self.weight = nn.Parameter((self.weight * rows).to(self.weight.dtype))
        self.bias = nn.Parameter(bias.to(self.weight.dtype))

    @leaf
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._check_input(x)
        sides = self._gate_sides(x) if self.spec.gated else None
        x, window = self._padded(x)
        if sides is None:
            x, window = window.symmetric(x)
            shape = (window.stride, window.sides, window.dilation, window.groups)
            return CONVS[self.rank - 1](x, self.weight, self.bias, *shape)
        y = gated_conv(x, self.weight, *sides, window, self.strategy)
        if self.bias is None:
            return y
        return y + self.bias.to(y.dtype).reshape(-1, *[1] * self.rank)

    def _gate_sides(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What the gate takes from input channels and from output channels.

        Args:
            x: (batch, in, *map).

        Returns:
            (batch, in, taps) and (batch, out, taps).
        """
        spec = self.spec
        encoded = self.ce(adaptive_mean(x, spec.kernel).flatten(2))  # (batch, in, latent)
        of_input = self.gd(torch.relu(self.ce_bn(encoded)))
        # (batch, sixteens, mixed, latent)
        groups = torch.relu(self.ci_bn2(encoded)).unflatten(1, (spec.sixteens, spec.mixed))
        mixed = self.ci(groups.transpose(2, 3)).transpose(2, 3).flatten(1, 2)
        return of_input, self.gd2(torch.relu(self.ci_bn(mixed)))  # (batch, out, latent)

    def _take_function(self, conv: nn.Module) -> None:
        """All gates are a half, so that the kernel is twice that of `conv`."""
        conv, spec = plain_conv(conv), self.spec
        self.weight.copy_(conv.weight / spec.start_gain)
        if self.bias is not None and conv.bias is not None:
            self.bias.copy_(conv.bias)


class _Linear(nn.Linear):
    """A linear layer without bias that starts as PyTorch's, or at zero."""

    def __init__(self, spec: LinearSpec, head_init: str = "published", **options: Any) -> None:
        self.head_init = head_init
        super().__init__(spec.in_channels, spec.out_channels, bias=False, **options)

    def reset_parameters(self) -> None:
        if self.head_init == "zero":
            nn.init.zeros_(self.weight)
        else:
            super().reset_parameters()


class CGConv1d(_CGConv):
    """`CGConv2d` over one axis: (batch, in, length) to (batch, out, length).

    Example:
        >>> CGConv1d(16, 32, 3, padding=1)(torch.rand(1, 16, 9)).shape
        torch.Size([1, 32, 9])
    """

    rank = 1


class CGConv2d(_CGConv):
    """Context-gated convolution, https://arxiv.org/abs/1910.05577.

    Multiplies each value of the kernel by a gate between 0 and 1 that is computed from the sample.
    Each channel's map, averaged to the size of the kernel, is described by a few numbers; these,
    and mixtures of them for the output channels, decide:

        y = conv(x, sigmoid(of_input + of_output) * weight) + bias

    Takes the arguments of `torch.nn.Conv2d` in their order. A kernel of one tap has no gate, as in
    the published code: the layer is a plain convolution then. A batch of one trains.

    Shapes: (batch, in_channels, height, width) to (batch, out_channels, height, width), the maps
    being those of `torch.nn.Conv2d`, and of any size. The arrays are those of
    https://github.com/XudongLinthu/context-gated-convolution, whose bias has no effect and whose
    maps are square.

    Args:
        in_channels: channels of the input, at most 16 or a multiple of 16.
        out_channels: channels of the output, a multiple of `in_channels` / 16.
        kernel_size: taps along height and width.
        stride: step along height and width.
        padding: values on both sides of each axis, (before, after) pairs, "valid" or "same".
        dilation: distance of neighbouring taps.
        groups: 1, unless the kernel has one tap.
        bias: adds a learnt offset.
        padding_mode: "zeros", "reflect", "replicate" or "circular".
        head_init: "published" starts the linear layers as those of PyTorch, with gates around a
            half; "zero" with all gates at a half.
        device: where the parameters live.
        dtype: of the parameters.

    Raises:
        ValueError: an option is out of range, or the input has another rank or channel count.

    Example:
        >>> CGConv2d(16, 32, 3, padding=1)(torch.rand(1, 16, 8, 9)).shape
        torch.Size([1, 32, 8, 9])
    """

    rank = 2


class CGConv3d(_CGConv):
    """`CGConv2d` over three axes: (batch, in, depth, height, width).

    Example:
        >>> CGConv3d(16, 32, 3, padding=1)(torch.rand(1, 16, 7, 8, 9)).shape
        torch.Size([1, 32, 7, 8, 9])
    """

    rank = 3
