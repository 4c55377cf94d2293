"""The spectrum of a kernel, its groups of frequencies, and the kernels that samples make of it."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from odconv_spec import FDConvSpec
from odconv_spec.frequencies import FrequencyOrderSpec, frequency_order


class FrequencyOrder(nn.Module):
    """Which frequencies each group has: `indices`, (param_ratio, 2, kernel_num, frequencies).

    A model that was trained with another order, as that of the published code may be, keeps it.

    Args:
        spec: of the order.
        device: where the buffer lives.

    Example:
        >>> FrequencyOrder(FrequencyOrderSpec(plane=(2, 2), kernel_num=2)).groups()
        tensor([[0, 1, 1, 0]])
    """

    indices: torch.Tensor

    def __init__(self, spec: FrequencyOrderSpec, device: torch.device | str | None = None) -> None:
        super().__init__()
        self.spec = spec
        empty = torch.empty(spec.shape, dtype=torch.int64, device=device)
        self.register_buffer("indices", empty)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """From the lowest frequency to the highest."""
        if not self.indices.is_meta:
            self.indices.copy_(torch.from_numpy(frequency_order(np, self.spec)))

    def groups(self) -> torch.Tensor:
        """The group of every coefficient of each spectrum, (param_ratio, rows * columns)."""
        ratio, _, count, size = self.spec.shape
        places = self.indices[:, 0] * self.spec.spectrum[1] + self.indices[:, 1]
        numbers = torch.arange(count, device=places.device).repeat_interleave(size)
        places = places.reshape(ratio, -1)
        return torch.empty_like(places).scatter_(1, places, numbers.expand(ratio, -1))

    def forward(self, spectra: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """The plane of each sample, (batch, *plane), of the sum of its weighted spectra.

        `spectra` is (param_ratio, rows, columns, 2), `weights` of their groups (batch, param_ratio
        * kernel_num).
        """
        spec = self.spec
        of_each = weights.unflatten(1, (spec.param_ratio, spec.kernel_num)).unbind(1)
        rows = zip(self.groups(), spectra.flatten(1, 2), of_each, strict=True)
        # (batch, rows * columns, 2)
        weighed = [each.index_select(1, group)[..., None] * one for group, one, each in rows]
        total = sum(weighed[1:], weighed[0]).unflatten(1, spec.spectrum)
        return torch.fft.irfft2(torch.view_as_complex(total), s=spec.plane)


def spectrum_of(kernel: torch.Tensor, spec: FDConvSpec) -> torch.Tensor:
    """What a layer that starts as a convolution with `kernel` stores.

    Args:
        kernel: (out, in, *kernel).
        spec: of the layer.

    Returns:
        (rows, columns, 2)
    """
    plane = kernel.transpose(1, 2).reshape(spec.order().plane)
    return torch.view_as_real(torch.fft.rfft2(plane)) / spec.stored_gain
