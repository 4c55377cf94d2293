"""A map whose gradient can be added to in place.

A map of a dynamic convolution has two gradients, that of the convolution and that of the attention.
Autograd adds the second to the first in place, unless the first is a view, as it is behind an
operation that reshapes its input: then it fills another map, whose memory takes longer to get from
the system than to fill.
"""

from __future__ import annotations

from typing import Any

import torch


def gathering(x: torch.Tensor) -> torch.Tensor:
    """`x`, with a gradient that is no view.

    Example:
        >>> x = torch.rand(2, 6, 8, 9, requires_grad=True)
        >>> torch.equal(gathering(x), x)
        True
    """
    if not (torch.is_grad_enabled() and x.requires_grad):
        return x
    y: torch.Tensor = _Gathering.apply(x)
    return y


class _Gathering(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: torch.Tensor) -> torch.Tensor:
        return x.view_as(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        own: torch.Tensor = torch.ops.aten._unsafe_view(grad, grad.shape)
        return own

    @staticmethod
    def jvp(ctx: Any, change: torch.Tensor) -> torch.Tensor:
        return change.view_as(change)
