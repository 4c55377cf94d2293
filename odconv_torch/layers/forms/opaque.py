"""One convolution after the other behind an operation of its own, for torch.compile.

The compiler would unroll the loop for the batch size that it sees. Here the loop runs as it is with
whatever batch comes, and the compiler fuses what is around it. An exported program would need this
package to run, so `patches` is what it gets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.grouped import conv_in_groups, gradients_in_groups
from odconv_torch.layers.forms.samples import conv_of_each, gradients_of_each
from odconv_torch.layers.forms.scaled import scaled, times
from odconv_torch.layers.window import Window

Pair = tuple[torch.Tensor, torch.Tensor]

# Schemas are written out: torch before 2.7 cannot infer them from annotations that are text.
_STEPS = "SymInt[] stride, SymInt[] sides, SymInt[] dilation, SymInt groups"
_SCHEMA = f"(Tensor x, Tensor kernels, {_STEPS}) -> Tensor"
_BACKWARD_SCHEMA = f"(Tensor grad, Tensor x, Tensor kernels, {_STEPS}) -> (Tensor, Tensor)"


def opaque(
    x: torch.Tensor, weight: torch.Tensor, attentions: Attentions, window: Window
) -> torch.Tensor:
    x, kernels, after = scaled(x, weight, attentions, window)
    x, window = window.symmetric(x)
    steps = (window.stride, window.sides, window.dilation, window.groups)
    y: torch.Tensor = torch.ops.odconv.conv_of_each(x, kernels, *steps)
    return times(y, after)


@torch.library.custom_op("odconv::conv_of_each", mutates_args=(), schema=_SCHEMA)
def _conv_of_each(
    x: torch.Tensor,
    kernels: torch.Tensor,
    stride: Sequence[int],
    sides: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> torch.Tensor:
    """x (batch, in, *map) with kernels (batch, out, in // groups, *kernel)."""
    window = _window(stride, sides, dilation, groups)
    conv = conv_in_groups if _suits_one_call(kernels, groups) else conv_of_each
    return conv(x, kernels, window).contiguous()


@_conv_of_each.register_fake
def _(x: torch.Tensor, kernels: torch.Tensor, *steps: Any) -> torch.Tensor:
    size = _window(*steps).output_size(x.shape, kernels.shape[3:])
    return x.new_empty(x.shape[0], kernels.shape[1], *size)


@torch.library.custom_op("odconv::conv_of_each_backward", mutates_args=(), schema=_BACKWARD_SCHEMA)
def _backward(
    grad: torch.Tensor,
    x: torch.Tensor,
    kernels: torch.Tensor,
    stride: Sequence[int],
    sides: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Pair:
    """The gradients to x and to the kernels."""
    window = _window(stride, sides, dilation, groups)
    gradients = gradients_in_groups if _suits_one_call(kernels, groups) else gradients_of_each
    to_x, to_kernels = gradients(grad, x, kernels, window)
    if to_x is None or to_kernels is None:
        raise RuntimeError("a convolution has a gradient to its input and to its kernels")
    return to_x.contiguous(), to_kernels.contiguous()


@_backward.register_fake
def _(grad: torch.Tensor, x: torch.Tensor, kernels: torch.Tensor, *steps: Any) -> Pair:
    return x.new_empty(x.shape), kernels.new_empty(kernels.shape)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    x, kernels, *ctx.steps = inputs
    ctx.save_for_backward(x, kernels)


def _differentiate(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    to_both = torch.ops.odconv.conv_of_each_backward(grad, *ctx.saved_tensors, *ctx.steps)
    return (*to_both, None, None, None, None)


_conv_of_each.register_autograd(_differentiate, setup_context=_setup_context)


def _suits_one_call(kernels: torch.Tensor, groups: int) -> bool:
    """Whether one call for all samples is faster than one for each: as where nothing compiles."""
    return kernels.shape[2] == 1 < groups or kernels.device.type != "cpu"


def _window(
    stride: Sequence[int], sides: Sequence[int], dilation: Sequence[int], groups: int
) -> Window:
    padding = tuple((side, side) for side in sides)
    return Window(tuple(stride), padding, tuple(dilation), groups)
