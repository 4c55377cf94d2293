"""The compiled operation in training: nothing but its arguments is kept for the gradients.

Depthwise and pointwise layers have gradients that are compiled as well. Second derivatives, and
gradients that are transformed by torch.func, are those of the plain path.
"""

from __future__ import annotations

from typing import Any

import torch
from torch._C import _functorch

from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.grouped import grouped
from odconv_torch.layers.forms.patches import patches
from odconv_torch.layers.window import Window

MOST_KERNELS = 16  # that the gradients are for; kMost of gradients.h


def trained(
    x: torch.Tensor, weight: torch.Tensor, attentions: Attentions, window: Window
) -> torch.Tensor:
    """The convolution without its bias.

    Args:
        x: (batch, in, height, width), with its channels first or last in memory.
        weight: (kernel_num, out, in // groups, height, width), depthwise or pointwise.
        attentions: of the samples.
        window: how the kernels move, padded evenly.

    Returns:
        (batch, out, *map after convolution).
    """
    y: torch.Tensor = _NativeConv.apply(x, weight, *attentions, window)
    return y


class _NativeConv(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, *attentions_and_window: Any
    ) -> torch.Tensor:
        *attentions, ctx.window = attentions_and_window
        ctx.save_for_backward(x, weight, *attentions)
        found: torch.Tensor = torch.ops.odconv.dynamic_conv.default(
            *(x, weight, *attentions, None), *_geometry(ctx.window)
        )
        return found

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        given, wanted = ctx.saved_tensors, ctx.needs_input_grad[:-1]
        if torch.is_grad_enabled() or _is_transformed(grad):
            return (*_plain(grad, given, wanted, ctx.window), None)
        found = torch.ops.odconv.dynamic_conv_backward.default(grad, *given, *_geometry(ctx.window))
        return (*(to if w else None for to, w in zip(found, wanted, strict=True)), None)


def _is_transformed(grad: torch.Tensor) -> bool:
    """Whether it is one of several gradients that torch.func, or autograd, takes at once."""
    stack: object = _functorch.peek_interpreter_stack()
    return stack is not None or bool(_functorch.is_legacy_batchedtensor(grad))


def _geometry(window: Window) -> tuple[Any, ...]:
    return window.stride, window.sides, window.dilation, window.groups


def _plain(
    grad: torch.Tensor,
    given: tuple[torch.Tensor, ...],
    wanted: tuple[bool, ...],
    window: Window,
) -> list[torch.Tensor | None]:
    """The gradients as autograd finds them, which can be differentiated again."""
    form = patches if window.groups == 1 else grouped
    records = torch.is_grad_enabled()
    with torch.enable_grad():
        # Views, as attentions depend on the map: its own gradient ends here.
        x, weight, *attentions = own = [t if t is None else t.view_as(t) for t in given]
        y = form(x, weight, Attentions(*attentions), window)
        sources = [tensor for tensor, w in zip(own, wanted, strict=True) if w]
        found = iter(torch.autograd.grad(y, sources, grad, create_graph=records))
    return [next(found) if w else None for w in wanted]
