"""What makes the kernels of WeightNet: layers on the mean of a map, which see one position."""

from __future__ import annotations

from functools import reduce

import torch
from torch import nn
from torch.nn import functional as F

from odconv_spec import ConvSpec, ReduceSpec
from odconv_torch.layers.forms.autocast import autocast
from odconv_torch.layers.forms.grouped import CONVS
from odconv_torch.layers.forms.recording import batch_of
from odconv_torch.layers.forms.scaled import times
from odconv_torch.layers.leaf import leaf
from odconv_torch.layers.pooling import global_mean
from odconv_torch.layers.window import Window

Device = torch.device | str | None


class Grouped(nn.Module):
    """A 1x1 convolution in groups of (batch, in) to (batch, out).

    It stores what a convolution of `torch.nn` stores and is none, see `Pointwise`.

    Args:
        spec: a convolution of one tap, in as many groups as it likes.
        deviation: of the normal start; 0 starts at zero.
        device: where the parameters live.
        dtype: of the parameters.

    Example:
        >>> Reduce(64, 16).weight.shape
        torch.Size([16, 64, 1, 1])
    """

    bias: nn.Parameter | None

    def __init__(
        self,
        spec: ConvSpec,
        deviation: float,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.deviation = deviation
        # (out, in // groups, *ones)
        self.weight = nn.Parameter(torch.empty(spec.kernel_shape, device=device, dtype=dtype))
        bias = torch.empty(spec.out_channels, device=device, dtype=dtype) if spec.bias else None
        self.register_parameter("bias", None if bias is None else nn.Parameter(bias))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """A normal start around zero; a bias of zeros."""
        nn.init.normal_(self.weight, std=self.deviation)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        groups = self.spec.groups
        if groups == 1:
            return F.linear(input, self.weight.flatten(1), self.bias)
        weight = self.weight.flatten(1).unflatten(0, (groups, -1))  # (groups, out, in) of each
        y = torch.einsum("goi,bgi->bgo", weight, input.unflatten(1, (groups, -1))).flatten(1)
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        spec = self.spec
        return f"{spec.in_channels}, {spec.out_channels}, groups={spec.groups}, bias={spec.bias}"


class Reduce(Grouped):
    """The vector (batch, out_channels) that WeightNet makes kernels of, of maps (batch, in, *map).

    A linear layer on the mean. A `WeightNetConv2d` has its own, or the convolutions of a block
    share one: they are then made with `router="shared"` and called as `conv(x, reduce(x))`.

    Args:
        in_channels: channels of the input.
        out_channels: numbers of the vector.
        rank: number of axes of the map.
        device: where the parameters live.
        dtype: of the parameters.

    Raises:
        ValueError: a number is less than one, or the rank is not 1, 2 or 3.

    Example:
        >>> Reduce(64, 16)(torch.rand(2, 64, 8, 9)).shape
        torch.Size([2, 16])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        rank: int = 2,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        conv = ReduceSpec(in_channels, out_channels, rank).conv()
        super().__init__(conv, 1 / in_channels, device, dtype)

    @classmethod
    def from_spec(
        cls, spec: ReduceSpec, device: Device = None, dtype: torch.dtype | None = None
    ) -> Reduce:
        """The layer that `spec` describes, with random weights.

        Returns:
            The layer in training mode.
        """
        return cls(spec.in_channels, spec.out_channels, spec.rank, device, dtype)

    @leaf
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(global_mean(input).flatten(1))


def conv_in_segments(
    x: torch.Tensor, kernel: torch.Tensor, numbers: torch.Tensor, window: Window
) -> torch.Tensor:
    """A convolution whose kernel is static but for a factor of each part of each filter's taps.

    The factors scale what the parts make, so that no sample has a kernel of its own. A part that
    ends with a channel sees the channels it has; one that ends within a channel sees them all, and
    its kernel is zero where other parts are.

    Args:
        x: (batch, in, *map).
        kernel: (out, in // groups, *kernel).
        numbers: (batch, out * parts), the factors.
        window: how the kernel moves.

    Returns:
        (batch, out, *map after convolution).
    """
    x, window = window.symmetric(autocast(x))
    out, inner = kernel.shape[:2]
    parts = numbers.shape[1] // out
    kernel, ones = kernel.to(x.dtype), (1,) * (x.dim() - 2)
    factors = numbers.to(x.dtype).unflatten(1, (out, parts)).split(1, dim=2)
    found = []
    for part in range(parts):
        if parts == 1 or inner % parts:
            seen, taps = x, _taps_of(kernel, part, parts)
        else:
            width = inner // parts
            seen = x.narrow(1, part * width, width)
            taps = kernel.narrow(1, part * width, width)
        z = CONVS[x.dim() - 3](
            seen, taps, None, window.stride, window.sides, window.dilation, window.groups
        )
        found.append(times(z, factors[part].reshape(batch_of(x), out, *ones)))
    return reduce(torch.add, found)


def _taps_of(kernel: torch.Tensor, part: int, parts: int) -> torch.Tensor:
    """The kernel, with zeros for the taps of other parts."""
    if parts == 1:
        return kernel
    place = torch.arange(kernel[0].numel(), device=kernel.device)
    own = place * parts // len(place) == part
    return torch.where(own.reshape(kernel.shape[1:]), kernel, torch.zeros_like(kernel))
