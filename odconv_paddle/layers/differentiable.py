"""Operations whose gradients have gradients, which gradient penalties ask for.

Paddle differentiates some of its operations only once, `flatten`, `softmax` and `unfold` among
them: `paddle.grad(..., create_graph=True)` raises there. Where a gradient is recorded, these do the
same by others. A static graph has Paddle's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import paddle
from paddle.autograd import PyLayer
from paddle.nn import functional as F

from odconv_paddle.layers.temperature import at_least_float32


def is_recorded(x: paddle.Tensor) -> bool:
    """Whether a gradient with respect to `x` is recorded as operations are called."""
    return paddle.in_dynamic_mode() and paddle.is_grad_enabled() and not x.stop_gradient


def flattened(x: paddle.Tensor, start: int) -> paddle.Tensor:
    """The axes from `start` on as one: (batch, *sizes) to (batch, sizes) of start=1."""
    if not paddle.in_dynamic_mode():
        return x.flatten(start)  # sizes may be unknown
    return x.reshape([*x.shape[:start], prod(x.shape[start:])])


def softmax(x: paddle.Tensor, axis: int) -> paddle.Tensor:
    """Positive numbers that add up to one along the axis."""
    if not is_recorded(x) or not x.size:
        return F.softmax(x, axis=axis)
    powers = paddle.exp(x - x.detach().max(axis, keepdim=True))
    return powers / powers.sum(axis, keepdim=True)


def maximum(x: paddle.Tensor, axis: int) -> paddle.Tensor:
    """The maximum over an axis, which stays with one element."""
    if not is_recorded(x):
        return x.max(axis, keepdim=True)
    return paddle.take_along_axis(x, x.argmax(axis, keepdim=True), axis, broadcast=False)


def unfolded(
    x: paddle.Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
) -> paddle.Tensor:
    """What each tap sees of maps of two axes: (batch, in, *map) to (batch, in * taps, positions)"""
    (top, bottom), (left, right) = padding
    if is_recorded(x) and (top != bottom or left != right):  # Paddle's fold takes even ones only
        x = F.pad(x, [left, right, top, bottom])
        top = bottom = left = right = 0
    steps = list(kernel), list(stride), [top, left, bottom, right], list(dilation)
    return _Unfold.apply(x, steps) if is_recorded(x) else F.unfold(x, *steps)


def every(x: paddle.Tensor, places: Sequence[slice]) -> paddle.Tensor:
    """A part of a map, (batch, in, *map), by a slice with a step for each of its axes."""
    if not is_recorded(x):
        return x[(slice(None), slice(None), *places)]
    x = x[(slice(None), slice(None), *(slice(place.start, place.stop) for place in places))]
    for axis, place in enumerate(places, start=2):
        if place.step > 1:
            x = paddle.index_select(x, paddle.arange(0, x.shape[axis], place.step), axis)
    return x


class _Unfold(PyLayer):
    """`F.unfold`; its gradient is `F.fold`, which Paddle differentiates."""

    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor, steps: tuple[list[int], ...]) -> paddle.Tensor:
        kernel, stride, padding, dilation = steps
        ctx.size, ctx.steps = list(x.shape[2:]), steps
        return F.unfold(x, kernel, stride, padding, dilation)

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> paddle.Tensor:
        # Paddle does not fold in half precision.
        return F.fold(at_least_float32(gradient), ctx.size, *ctx.steps).astype(gradient.dtype)
