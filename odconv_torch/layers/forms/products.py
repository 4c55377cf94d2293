"""Pointwise kernels and maps as matrix products, in the layout of the maps."""

from __future__ import annotations

import torch
from torch.nn import functional as F

_LARGE = 1000  # positions of a map whose convolution is faster than a product, channels last


def product_of_maps(
    x: torch.Tensor, kernels: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """Pointwise kernels on maps of any layout, which the result has as well.

    Args:
        x: (batch, in, *map).
        kernels: (batch or 1, out, in).
        bias: (out,), or (batch, out).

    Returns:
        (batch, out, *map).

    Example:
        >>> x = torch.rand(2, 6, 8, 9).to(memory_format=torch.channels_last)
        >>> y = product_of_maps(x, torch.rand(2, 10, 6))
        >>> y.shape, y.is_contiguous(memory_format=torch.channels_last)
        (torch.Size([2, 10, 8, 9]), True)
    """
    if x.is_contiguous() or x.dim() != 4:
        offset = None if bias is None else bias.unsqueeze(-1)  # (out, 1), or (batch, out, 1)
        y = _plus_bmm(offset, kernels.expand(len(x), -1, -1), x.flatten(2))
        return y.reshape(*y.shape[:2], *x.shape[2:])
    if kernels.shape[0] == 1:
        return _of_one_kernel(x, kernels[0], flat(bias))
    rows = x.permute(0, 2, 3, 1)  # (batch, height, width, in)
    offset = bias if bias is None or bias.dim() == 1 else bias.unsqueeze(1)
    y = _plus_bmm(offset, rows.flatten(1, 2), kernels.mT)  # (batch, positions, out)
    return y.view(*rows.shape[:3], -1).permute(0, 3, 1, 2)


def flat(bias: torch.Tensor | None) -> torch.Tensor | None:
    """Of one sample, or of all: (out,)."""
    return bias if bias is None or bias.dim() == 1 else bias[0]


def _of_one_kernel(
    x: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    """A kernel (out, in) that all samples have, on a map whose channels lie last."""
    if x.shape[2] * x.shape[3] > _LARGE:
        return F.conv2d(x, kernel[:, :, None, None], bias)
    return F.linear(x.permute(0, 2, 3, 1), kernel, bias).permute(0, 3, 1, 2)


def _plus_bmm(offset: torch.Tensor | None, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    if offset is None:
        return torch.bmm(a, b)
    return torch.baddbmm(offset, a, b)
