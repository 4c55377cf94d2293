"""A convolution whose kernel each sample multiplies by gates, one sample after the other.

On a CPU the kernels of a batch, and their gates, are never held: new memory for them takes longer
than to compute them, and the derivative computes them once more.
"""

from __future__ import annotations

from typing import Any

import torch

from odconv_torch.layers.forms.autocast import autocast
from odconv_torch.layers.forms.choice import Strategy
from odconv_torch.layers.forms.cost_model import GRAPH_FORMS
from odconv_torch.layers.forms.grouped import CONVS
from odconv_torch.layers.forms.per_sample import conv_per_sample
from odconv_torch.layers.forms.recording import records_a_graph
from odconv_torch.layers.forms.samples import each_with_its_own
from odconv_torch.layers.window import Window


def gated_conv(
    x: torch.Tensor,
    weight: torch.Tensor,
    of_input: torch.Tensor,
    of_output: torch.Tensor,
    window: Window,
    strategy: Strategy,
) -> torch.Tensor:
    """Each sample convolved with weight * sigmoid(of_input + of_output).

    Args:
        x: (batch, in, *map).
        weight: (out, in, *kernel).
        of_input: (batch, in, taps).
        of_output: (batch, out, taps).
        window: how the kernels move, without groups.
        strategy: for which form of a graph it asks.

    Returns:
        (batch, out, *map after convolution).

    Example:
        >>> window = Window((1, 1), ((1, 1), (1, 1)), (1, 1), groups=1)
        >>> x, weight = torch.rand(2, 6, 8, 9), torch.rand(10, 6, 3, 3)
        >>> sides = torch.rand(2, 6, 9), torch.rand(2, 10, 9)
        >>> gated_conv(x, weight, *sides, window, Strategy()).shape
        torch.Size([2, 10, 8, 9])
    """
    x = autocast(x)
    own = strategy.name in GRAPH_FORMS or records_a_graph()
    if own or x.device.type != "cpu" or x.dtype != weight.dtype or len(x) == 0:
        kernels = gates(of_input, of_output) * weight.flatten(2)
        return conv_per_sample(x, kernels.unflatten(3, weight.shape[2:]), window, strategy)
    x, window = window.symmetric(x)
    y: torch.Tensor = _GatedConv.apply(x, weight, of_input, of_output, window)
    return y


def gates(of_input: torch.Tensor, of_output: torch.Tensor) -> torch.Tensor:
    """(..., in, taps) and (..., out, taps) to (..., out, in, taps)."""
    return torch.sigmoid(of_input.unsqueeze(-3) + of_output.unsqueeze(-2))


class _GatedConv(torch.autograd.Function):
    """As `gated_conv`, for a window that is symmetric."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        x: torch.Tensor,
        weight: torch.Tensor,
        of_input: torch.Tensor,
        of_output: torch.Tensor,
        window: Window,
    ) -> torch.Tensor:
        conv, rows = CONVS[x.dim() - 3], weight.flatten(2)
        shape = (window.stride, window.sides, window.dilation)
        found = []
        for sample, *sides in zip(x.split(1), of_input, of_output, strict=True):
            kernel = (gates(*sides) * rows).unflatten(2, weight.shape[2:])
            found.append(conv(sample, kernel, None, *shape))
        return torch.cat(found)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        *tensors, ctx.window = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """By plain operations of torch, which can be differentiated again."""
        x, weight, of_input, of_output = ctx.saved_tensors
        rows, each = weight.flatten(2), []  # (out, in, taps)
        to_rows = torch.zeros_like(rows)
        for one, sample, *sides in zip(grad.split(1), x.split(1), of_input, of_output, strict=True):
            gate = gates(*sides)
            kernel = (gate * rows).unflatten(2, weight.shape[2:])
            to_sample, to_kernel = _gradients(
                one, sample, kernel, ctx.window, ctx.needs_input_grad[0]
            )
            to_rows = torch.addcmul(to_rows, to_kernel, gate)
            to_sums = torch.ops.aten.sigmoid_backward(to_kernel * rows, gate)
            each.append((to_sample, to_sums.sum(0), to_sums.sum(1)))
        to_x, to_input, to_output = zip(*each, strict=True)
        return (
            torch.cat(to_x) if ctx.needs_input_grad[0] else None,
            to_rows.reshape(weight.shape),
            torch.stack(to_input),
            torch.stack(to_output),
            None,
        )

    @staticmethod
    def jvp(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        of_input: torch.Tensor,
        of_output: torch.Tensor,
        window: None,
    ) -> torch.Tensor:
        """What changes of all change, in forward mode."""
        of_x, of_weight, *sides = ctx.saved_tensors
        gate, taps = gates(*sides), of_weight.shape[2:]
        slope = gate * (1 - gate) * (of_input.unsqueeze(1) + of_output.unsqueeze(2))
        kernels = (gate * of_weight.flatten(2)).unflatten(3, taps)
        change = gate * weight.flatten(2) + slope * of_weight.flatten(2)
        y = each_with_its_own(x, kernels, ctx.window)
        return y + each_with_its_own(of_x, change.unflatten(3, taps), ctx.window)


def _gradients(
    grad: torch.Tensor, x: torch.Tensor, kernel: torch.Tensor, window: Window, wanted: bool
) -> tuple[torch.Tensor | None, torch.Tensor]:
    """Those of one convolution to x, if wanted, and to the kernel, (out, in, taps)."""
    to_x, to_kernel, _ = torch.ops.aten.convolution_backward(
        *(grad, x, kernel, None, window.stride, window.sides, window.dilation),
        *(False, (0,) * len(window.stride), 1, (wanted, True, False)),
    )
    return to_x, to_kernel.flatten(2)
