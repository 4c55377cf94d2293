"""What torch's own convolutions do under autocast, as not all forms are made of them."""

from __future__ import annotations

import torch


def autocast(x: torch.Tensor) -> torch.Tensor:
    """The input in the dtype that autocast asks for; as it is where there is no autocast."""
    device = x.device.type
    if x.dtype == torch.float32 and device != "meta" and torch.is_autocast_enabled(device):
        return x.to(torch.get_autocast_dtype(device))
    return x
