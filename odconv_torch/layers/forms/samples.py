"""One convolution after the other, each of one sample with its kernel.

An ordinary convolution runs at full speed where a grouped one does not, and a loop is cheap beside
it on a CPU. The derivative is a loop as well: automatic differentiation of this one would gather
the gradients of all kernels in a list and copy it once more.
"""

from __future__ import annotations

from typing import Any

import torch

from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.grouped import CONVS, gradients_in_groups
from odconv_torch.layers.forms.scaled import scaled, times
from odconv_torch.layers.window import Window


def samples(
    x: torch.Tensor, weight: torch.Tensor, attentions: Attentions, window: Window
) -> torch.Tensor:
    x, kernels, after = scaled(x, weight, attentions, window)
    return times(each_with_its_own(x, kernels, window), after)


def each_with_its_own(x: torch.Tensor, kernels: torch.Tensor, window: Window) -> torch.Tensor:
    """x (batch, in, *map) with kernels (batch, out, in // groups, *kernel)."""
    x, window = window.symmetric(x)
    y: torch.Tensor = _ConvOfEach.apply(x, kernels, window)
    return y


class _ConvOfEach(torch.autograd.Function):
    """x (batch, in, *map) with kernels (batch, out, in // groups, *kernel)."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: torch.Tensor, kernels: torch.Tensor, window: Window) -> torch.Tensor:
        return conv_of_each(x, kernels, window)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        x, kernels, ctx.window = inputs
        ctx.save_for_backward(x, kernels)
        ctx.save_for_forward(x, kernels)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, kernels = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:2]
        # For a second derivative, plain operations of torch: they can be differentiated again.
        gradients = gradients_in_groups if torch.is_grad_enabled() else gradients_of_each
        return (*gradients(grad, x, kernels, ctx.window, wanted), None)

    @staticmethod
    def jvp(ctx: Any, x: torch.Tensor, kernels: torch.Tensor, window: None) -> torch.Tensor:
        """What changes of both change, in forward mode."""
        of_x, of_kernels = ctx.saved_tensors
        change: torch.Tensor = _ConvOfEach.apply(x, of_kernels, ctx.window)
        return change + _ConvOfEach.apply(of_x, kernels, ctx.window)


def conv_of_each(x: torch.Tensor, kernels: torch.Tensor, window: Window) -> torch.Tensor:
    """x (batch, in, *map) with kernels (batch, out, in // groups, *kernel), padded evenly."""
    stride, _, dilation, groups = window
    conv, sides = CONVS[x.dim() - 3], window.sides
    pairs = zip(x.split(1), kernels.unbind(), strict=True)
    return torch.cat([conv(a, k, None, stride, sides, dilation, groups) for a, k in pairs])


def gradients_of_each(
    grad: torch.Tensor,
    x: torch.Tensor,
    kernels: torch.Tensor,
    window: Window,
    wanted: tuple[bool, bool] = (True, True),
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Those of `conv_of_each` to x and to the kernels, as far as they are wanted."""
    stride, _, dilation, groups = window
    grad_x = []
    grad_kernels = torch.empty_like(kernels, memory_format=torch.contiguous_format)
    none = (0,) * len(stride)
    for one, sample, kernel, target in zip(
        grad.split(1), x.split(1), kernels.unbind(), grad_kernels.unbind(), strict=True
    ):
        to_x, to_kernel, _ = torch.ops.aten.convolution_backward(
            *(one, sample, kernel, None, stride, window.sides, dilation),
            *(False, none, groups, (*wanted, False)),
        )
        grad_x.append(to_x)
        if wanted[1]:
            target.copy_(to_kernel)
    return torch.cat(grad_x) if wanted[0] else None, grad_kernels if wanted[1] else None
