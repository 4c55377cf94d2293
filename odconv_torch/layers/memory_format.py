"""Banks of kernels keep their layout where a network gets its channels last."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

Change = Callable[..., torch.Tensor]


def passing_by(banks: Iterable[torch.Tensor], change: Change) -> Change:
    """What `Module._apply` does to arrays, but to the banks as if they had four axes.

    `to(memory_format=torch.channels_last)` asks it of every array of four or five axes, and five
    are an error. Which array is a bank is told by its shape: the optimizer's way of swapping
    parameters, and `deepcopy`, hand over others in their place.
    """
    shapes = {bank.shape for bank in banks}

    def apply(tensor: torch.Tensor) -> torch.Tensor:
        try:
            return change(tensor)
        except RuntimeError:
            if tensor.shape not in shapes:
                raise
            return change(tensor.flatten(1)).unflatten(1, tensor.shape[1:])

    return apply
