"""Initial values, as in the published code."""

from __future__ import annotations

from math import prod, sqrt

import torch
from torch import nn

from odconv_spec.geometry import one_of
from odconv_spec.kernel_bank import HEAD_INITS


def kaiming_normal_(kernel: torch.Tensor) -> None:
    """Kaiming normal over the fan-out of one kernel of shape (out, in // groups, *kernel)."""
    if not kernel.is_meta:  # which has no values, and draws them in Python, 10 ms a kernel
        nn.init.kaiming_normal_(kernel, mode="fan_out", nonlinearity="relu")


def kaiming_normal_experts_(kernels: torch.Tensor) -> None:
    """The same for each kernel of a bank: the bank as a whole would give a wrong fan."""
    if type(kernels) in (torch.Tensor, nn.Parameter):
        for kernel in kernels:
            kaiming_normal_(kernel)
    else:  # of `fully_shard`, say, whose processes have some of the kernels each
        fan_out = kernels.shape[1] * prod(kernels.shape[3:])
        nn.init.normal_(kernels, std=nn.init.calculate_gain("relu") / sqrt(fan_out))


def start_(kernel: torch.Tensor, head_init: str) -> None:
    """The start of a head: "published" is Kaiming normal, "zero" makes its attention constant."""
    if one_of("head_init", head_init, HEAD_INITS) == "published":
        kaiming_normal_(kernel)
    else:
        nn.init.zeros_(kernel)
