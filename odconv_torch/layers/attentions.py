"""What scales a dynamic convolution: one factor for each kernel, tap and channel of a sample."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Attentions(NamedTuple):
    """The four attentions of each sample; None is the constant one.

    With one set for each kernel (`attention_sharing=False`), channel, filter and spatial attention
    have a second axis: (batch, kernel_num, ...).

    Example:
        >>> attentions = Attentions(kernel=torch.full((2, 4), 0.25))
        >>> attentions.channel is None
        True
    """

    channel: torch.Tensor | None = None  # (batch, in, *ones)
    filter: torch.Tensor | None = None  # (batch, out, *ones)
    spatial: torch.Tensor | None = None  # (batch, 1, 1, *kernel)
    kernel: torch.Tensor | None = None  # (batch, kernel_num)

    def one_set_per_kernel(self, rank: int) -> bool:
        """Whether the kernels do not share their attentions, for maps of `rank` axes.

        Returns:
            True where an attention has an axis of kernels.
        """
        channel, filters, spatial, _ = self
        for factor in (channel, filters):
            if factor is not None and factor.dim() > rank + 2:
                return True
        return spatial is not None and spatial.dim() > rank + 3
