"""The operations that networks are made of, for maps of (batch, channels, *space)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from odconv_spec import ConvSpec, NormSpec
from parity_tests.reference.ops import clip, exp, largest, log, pad, windows
from parity_tests.reference.tape import Array, Value


class Normalised(NamedTuple):
    """The output of a batch normalisation and its running statistics afterwards."""

    output: Value
    mean: Array
    variance: Array


def relu(x: Value) -> Value:
    return clip(x, 0.0, np.inf)


def relu6(x: Value) -> Value:
    return clip(x, 0.0, 6.0)


def global_mean(x: Value) -> Value:
    """The mean over space, (batch, channels, *ones)."""
    return x.mean(range(2, len(x.shape)), keepdims=True)


def global_max(x: Value) -> Value:
    """The maximum over space, (batch, channels, *ones)."""
    flat = largest(x.reshape(*x.shape[:2], -1), axis=2)  # (batch, channels)
    return flat.reshape(*x.shape[:2], *(1 for _ in x.shape[2:]))


def conv(x: Value, kernel: Value, spec: ConvSpec) -> Value:
    """The convolution (cross-correlation) of `spec`, without its bias.

    Args:
        x: (batch, in, *space).
        kernel: (out, in // groups, *kernel), or one for each sample with a leading batch axis.
        spec: the geometry.

    Returns:
        (batch, out, *positions).

    Raises:
        ValueError: the kernel does not fit into the padded map.
    """
    columns = windows(
        pad(x, padding_of(spec, x.shape[2:])), spec.kernel, spec.strides, spec.dilations
    )
    batch, _, _, *positions = columns.shape
    groups, out = spec.groups, spec.out_channels
    # (batch, groups, in // groups * taps, positions)
    gathered = columns.reshape(batch, groups, -1, int(np.prod(positions)))
    # (1 or batch, groups, out // groups, in // groups * taps)
    matrix = kernel.reshape(-1, groups, out // groups, gathered.shape[2])
    return (matrix @ gathered).reshape(batch, out, *positions)


def padding_of(spec: ConvSpec, sizes: Sequence[int]) -> Sequence[tuple[int, int]]:
    """(before, after) along each axis; "same" follows TensorFlow, with the odd element after.

    https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2
    """
    if spec.padding != "same":
        return spec.pads
    axes = zip(sizes, spec.kernel, spec.strides, spec.dilations, strict=True)
    return [_same(*axis) for axis in axes]


def _same(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    positions = -(-size // stride)
    total = max((positions - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def per_channel(x: Value, rank: int) -> Value:
    """(channels,) as (1, channels, *ones) for maps of `rank` spatial axes."""
    return x.reshape(1, -1, *(1,) * rank)


def batch_norm(
    x: Value,
    scale: Value,
    shift: Value,
    mean: Array,
    variance: Array,
    *,
    training: bool,
    eps: float = NormSpec.eps,
    momentum: float = NormSpec.momentum,
) -> Normalised:
    """Batch normalisation, https://arxiv.org/abs/1502.03167.

    In training the batch is normalised by its own biased variance, and the running variance takes
    the unbiased one with weight `momentum`. One value for each channel has no variance: then the
    running statistics are used and left alone.
    """
    rank = len(x.shape) - 2
    count = x.data.size // x.shape[1]
    if training and count > 1:
        axes = (0, *range(2, rank + 2))
        centred = x - (center := x.mean(axes, keepdims=True))
        spread = (centred**2).mean(axes, keepdims=True)
        unbiased = spread.data.ravel() * count / (count - 1)
        mean = (1 - momentum) * mean + momentum * center.data.ravel()
        variance = (1 - momentum) * variance + momentum * unbiased
    else:
        centred = x - per_channel(Value(mean), rank)
        spread = per_channel(Value(variance), rank)
    normal = centred * (spread + eps) ** -0.5
    output = normal * per_channel(scale, rank) + per_channel(shift, rank)
    return Normalised(output, mean, variance)


def max_pool(x: Value, size: int, stride: int, padding: int) -> Value:
    """The largest of each window. Padding never wins: it is -inf."""
    rank = len(x.shape) - 2
    padded = pad(x, [(padding, padding)] * rank, value=-np.inf)
    return largest(windows(padded, (size,) * rank, (stride,) * rank, (1,) * rank), axis=2)


def linear(x: Value, kernel: Value, bias: Value) -> Value:
    """(batch, in) times `kernel`, (out, in), plus `bias`."""
    return x @ kernel.T + bias


def softmax(logits: Value) -> Value:
    """Softmax over axis 1."""
    positive = exp(_below_zero(logits))
    return positive / positive.sum((1,), keepdims=True)


def cross_entropy(logits: Value, labels: npt.ArrayLike) -> Value:
    """The mean over the batch of -log(softmax(logits)[label]).

    Raises:
        ValueError: a label is not a class.
    """
    batch, classes = logits.shape
    chosen = np.asarray(labels)
    if chosen.min() < 0 or chosen.max() >= classes:
        raise ValueError(f"labels: expected 0 to {classes - 1}, received {chosen.tolist()}")
    shifted = _below_zero(logits)
    log_probability = shifted - log(exp(shifted).sum((1,), keepdims=True))
    return -(log_probability * np.eye(classes)[chosen]).sum() / float(batch)


def _below_zero(logits: Value) -> Value:
    """Softmax is the same for shifted logits, and exp of these cannot overflow."""
    return logits - logits.data.max(axis=1, keepdims=True)
