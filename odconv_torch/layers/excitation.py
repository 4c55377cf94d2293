"""What weight excitation makes of a weight (out, in // groups, *kernel), and the way back."""

from __future__ import annotations

from math import atanh, sqrt

import torch
from torch import nn

from odconv_spec.we_conv import EPSILON, MARGIN
from odconv_torch.layers.pointwise import Pointwise


class Excitation(Pointwise):
    """A layer of location-based excitation, which sees (filters, in, *ones).

    "published" starts as PyTorch's convolutions do, which the published code leaves as they are.

    Example:
        >>> spec = WEConvSpec(in_channels=32, out_channels=6, kernel_size=3)
        >>> Excitation(spec.fc1())(torch.rand(6, 32, 1, 1)).shape
        torch.Size([6, 2, 1, 1])
    """

    def reset_parameters(self) -> None:
        """Uniform in +-1 / sqrt(in), or zeros where `head_init` says so."""
        super().reset_parameters()
        if self.head_init == "published" and self.bias is not None:
            bound = 1 / sqrt(self.in_channels)
            nn.init.uniform_(self.weight, -bound, bound)
            nn.init.uniform_(self.bias, -bound, bound)


def standardized(weight: torch.Tensor) -> torch.Tensor:
    """Each filter with mean zero and deviation one."""
    axes = tuple(range(1, weight.dim()))
    centred = weight - weight.mean(axes, keepdim=True)
    variance = centred.square().sum(axes, keepdim=True) / (weight[0].numel() - 1)
    # The root of zero has no gradient.
    return centred / (variance.clamp(min=_tiny(weight)).sqrt() + EPSILON)


def stretched(weight: torch.Tensor) -> torch.Tensor:
    """M * arctanh(weight / M) with M above the largest magnitude."""
    limit = MARGIN * weight.abs().amax()
    limit = limit.clamp(min=_tiny(weight))  # a weight of zeros stays so
    return limit * torch.atanh(weight / limit)


def unstretched(kernel: torch.Tensor) -> torch.Tensor:
    """The weight that `stretched` makes the kernel of."""
    limit = (kernel.abs().amax() / atanh(1 / MARGIN)).clamp(min=_tiny(kernel))
    return limit * torch.tanh(kernel / limit)


def _tiny(weight: torch.Tensor) -> float:
    return torch.finfo(weight.dtype).tiny
