"""A convolution with one kernel for each sample, or with one for all, and its spatial attention.

The attention scales the kernels or the patches of the map, whichever are fewer: of a layer with
wide kernels on a small map, the kernels of all samples are many times the map. Large maps meet
their kernels in one convolution with the samples as groups, which costs what a static convolution
costs; small ones, and all in a static graph, in a product with their patches.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod

import paddle
from paddle.nn import functional as F

from odconv_paddle.layers.differentiable import every, is_recorded, unfolded

_CONVS = (F.conv1d, F.conv2d, F.conv3d)  # by rank - 1


@paddle.jit.marker.unified  # to_static of a layer itself records the calls, too
def conv_per_sample(
    x: paddle.Tensor,
    kernels: paddle.Tensor,
    spatial: paddle.Tensor | None,
    stride: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    groups: int,
) -> paddle.Tensor:
    """Each sample convolved with its own of `kernels`, or all with the only one.

    Args:
        x: (batch, in, *map).
        kernels: (batch or 1, out, in // groups, *kernel).
        spatial: what scales the taps of each sample, (batch, 1, 1, *kernel), or None.
        stride: step along each axis of the map.
        padding: zeros (before, after) each axis of the map.
        dilation: distance of neighbouring taps along each axis.
        groups: number of groups of channels.
    """
    kernels = kernels.astype(x.dtype)
    sizes = sizes_after(x, kernels.shape[3:], stride, padding, dilation)
    if spatial is not None and not maps_are_smaller(sizes, kernels.shape[1]):
        kernels, spatial = _with_taps_scaled(kernels, spatial.astype(x.dtype)), None
    # Pointwise kernels of each sample are faster in a product than in a convolution with groups.
    pointwise = _is_pointwise(kernels.shape[3:], stride, padding)
    grouped = _is_known(x.shape[0]) and not pointwise and not _is_depthwise_of_one_channel(x)
    if spatial is None and (kernels.shape[0] == 1 or grouped):
        return _convolved(x, kernels, stride, padding, dilation, groups)
    # In the new shapes 0 keeps a size and -1 infers it.
    out, taps = kernels.shape[1], prod(kernels.shape[2:])  # the taps of all input channels
    columns = patches(x, kernels.shape[3:], spatial, stride, padding, dilation)
    columns = columns.reshape([0, groups, taps, -1])
    y = paddle.matmul(kernels.reshape([0, groups, out // groups, taps]), columns)
    return y.reshape([0, out, *sizes[:-1], -1])


def _is_pointwise(
    kernel: Sequence[int], stride: Sequence[int], padding: Sequence[tuple[int, int]]
) -> bool:
    """Whether a map is its own patches."""
    padded = any(side for pair in padding for side in pair)
    return prod(kernel) == 1 and {*stride} == {1} and not padded


def maps_are_smaller(sizes: Sequence[int | paddle.Tensor], out: int) -> bool:
    """Whether a map has fewer positions than a kernel has outputs; no, where that is unknown."""
    known = [size for size in sizes if isinstance(size, int)]
    return len(known) == len(sizes) and prod(known) < out


def _is_known(batch: int) -> bool:
    """Whether samples can be groups, whose number is a constant of a static graph."""
    return paddle.in_dynamic_mode() and batch > 0


def _is_depthwise_of_one_channel(x: paddle.Tensor) -> bool:
    """Whether samples as groups would be the operation that Paddle differentiates only once.

    That is a depthwise convolution over two axes, on CPUs, which images of one channel then meet.
    """
    return x.ndim == 4 and x.shape[1] == 1 and x.shape[0] > 1 and is_recorded(x)


def _convolved(
    x: paddle.Tensor,
    kernels: paddle.Tensor,
    stride: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    groups: int,
) -> paddle.Tensor:
    """A convolution of Paddle: of all samples, or with each as a group of its own."""
    pads = [side for pair in padding for side in pair]
    conv, steps = _CONVS[x.ndim - 3], (list(stride), pads, list(dilation))
    if kernels.shape[0] == 1:
        return conv(x, kernels[0], None, *steps, groups)
    batch, out = kernels.shape[:2]
    y = conv(
        x.reshape([1, -1, *x.shape[2:]]),
        kernels.reshape([batch * out, *kernels.shape[2:]]),
        None,
        *steps,
        groups * batch,
    )
    return y.reshape([batch, out, *y.shape[2:]])


def _with_taps_scaled(kernels: paddle.Tensor, spatial: paddle.Tensor) -> paddle.Tensor:
    """Kernels, (batch or 1, out, in // groups, *kernel), by the attention of each tap."""
    if not paddle.in_dynamic_mode():  # an exported program gave other numbers with the product
        return kernels * spatial
    out, inner, *taps = kernels.shape[1:]
    rows = kernels.reshape([0, out * inner, prod(taps)])
    return paddle.matmul(rows, _diagonal(spatial)).reshape([-1, *kernels.shape[1:]])


def _diagonal(spatial: paddle.Tensor) -> paddle.Tensor:
    """A matrix, (batch, taps, taps), that scales taps as `spatial`, (batch, 1, 1, *kernel), does.

    A product with it is exact, and Paddle's broadcasting takes several times longer on a CPU.
    """
    taps = prod(spatial.shape[3:])
    # paddle.diag_embed would have no gradient.
    return spatial.reshape([0, taps, 1]) * paddle.eye(taps, dtype=spatial.dtype)


def patches(
    x: paddle.Tensor,
    kernel: Sequence[int],
    spatial: paddle.Tensor | None,
    stride: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
) -> paddle.Tensor:
    """What each tap sees, scaled by its attention if there is one.

    In the order (batch, in, taps, positions), some of the axes merged.
    """
    columns = _columns(x, kernel, stride, padding, dilation)
    if spatial is None:
        return columns
    diagonal = _diagonal(spatial.astype(x.dtype)).unsqueeze(1)
    return paddle.matmul(diagonal, columns.reshape([0, x.shape[1], prod(kernel), -1]))


def _columns(
    x: paddle.Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
) -> paddle.Tensor:
    """Patches as they are."""
    if x.ndim == 3:
        x, kernel, stride = x.unsqueeze(3), (*kernel, 1), (*stride, 1)
        padding, dilation = (*padding, (0, 0)), (*dilation, 1)
    if _is_pointwise(kernel, stride, padding):
        return x
    if x.ndim == 4 and prod(kernel) > 1:  # the faster way, but Paddle has it for two axes only
        return unfolded(x, kernel, stride, padding, dilation)
    if any(side for pair in padding for side in pair):
        # F.pad takes the last axis first.
        x = F.pad(x, [side for pair in reversed(padding) for side in pair])
    places = product(*map(_places, kernel, stride, dilation))
    return paddle.stack([every(x, place) for place in places], axis=2)


def _places(taps: int, step: int, reach: int) -> list[slice]:
    """Where each tap of one axis reads; the end is counted from the map's end."""
    span = (taps - 1) * reach
    return [slice(start, start - span or None, step) for start in range(0, span + 1, reach)]


def sizes_after(
    x: paddle.Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
) -> list[int | paddle.Tensor]:
    """Size of each axis of the map after the convolution."""
    axes = zip(range(2, x.ndim), kernel, stride, padding, dilation, strict=True)
    return [
        (_size(x, axis) + sum(pads) - (taps - 1) * reach - 1) // step + 1
        for axis, taps, step, pads, reach in axes
    ]


def _size(x: paddle.Tensor, axis: int) -> int | paddle.Tensor:
    size = x.shape[axis]
    return size if size >= 0 else paddle.shape(x)[axis]
