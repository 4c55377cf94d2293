"""What scales a dynamic convolution: one factor for each kernel, tap and channel of a sample."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Attentions(NamedTuple):
    """The four attentions of each sample; None is the constant one.

    With one set for each kernel (`attention_sharing=False`), channel, filter and spatial attention
    have a second axis: (batch, kernel_num, ...).
    """

    channel: torch.Tensor | None = None  # (batch, in, *ones)
    filter: torch.Tensor | None = None  # (batch, out, *ones)
    spatial: torch.Tensor | None = None  # (batch, 1, 1, *kernel)
    kernel: torch.Tensor | None = None  # (batch, kernel_num)

    def one_set_per_kernel(self, rank: int) -> bool:
        """Whether the kernels do not share their attentions, for maps of `rank` axes."""
        shared = ((self.channel, rank + 2), (self.filter, rank + 2), (self.spatial, rank + 3))
        return any(a is not None and a.dim() > axes for a, axes in shared)
