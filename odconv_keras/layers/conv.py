"""Convolutions with one kernel for all samples or one for each. Channels are last.

A kernel of each sample meets the map as a matrix product with the map's patches, or, on TensorFlow
and a CPU, in one convolution after the other. There the gradient of each tap's slice is a whole map
of zeros around it, which makes training on patches slow, while one convolution after the other
takes hardly longer than a static one. A file has patches wherever it is written, see
`recording.py`. On JAX it is the gradients in a loop that are slow. Grouped convolutions with
samples as groups, which other frameworks take for this, are several times slower in XLA, and
TensorFlow has none on a CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from operator import add
from typing import Any

import keras
from keras import ops

from odconv_keras.layers.padding import Window, pad
from odconv_keras.layers.recording import recorded_form
from odconv_keras.layers.sizes import map_sizes
from odconv_keras.layers.subsampling import at_unit_stride

# Samples whose convolutions a graph of TensorFlow has one by one. The training step of the ODConv
# ResNet-18 of 4 kernels takes 0.89 of the time of a map for 8 and for 32 samples and is recorded as
# fast; for 64, recording takes twice as long, and XLA compiles the forward pass in 39 instead of
# 5 seconds.
_MOST_WRITTEN_OUT = 32


def conv(x: Any, kernel: Any, window: Window) -> Any:
    """Convolution of x, (batch, *map, in), with a kernel (*kernel, in // groups, out)."""
    x, window = at_unit_stride(x, window)
    if not _is_native(x, kernel, window):
        return _on_taps(x, ops.expand_dims(kernel, 0), window)
    depthwise = x.shape[-1] != kernel.shape[-2] and keras.backend.backend() == "tensorflow"
    # Keras' depthwise kernels are (*kernel, in, multiplier).
    kernel = ops.swapaxes(kernel, -1, -2) if depthwise else _of_torch(kernel)
    return (ops.depthwise_conv if depthwise else ops.conv)(
        x if window.keeps_size else pad(x, window),
        kernel,
        strides=window.strides,
        padding="same" if window.keeps_size else "valid",  # "same" saves a padded copy of the map
        data_format="channels_last",
        dilation_rate=window.dilations,
    )


def _of_torch(kernel: Any) -> Any:
    """A kernel (*kernel, in, 1) with memory in PyTorch's order of axes, on that backend.

    In another order PyTorch 2.13 has no gradient of it in float64 on a CPU: "slow_conv2d:
    grad_weight must be contiguous".
    """
    if keras.backend.backend() != "torch" or kernel.shape[-1] != 1:
        return kernel
    *taps, inputs, out = kernel.shape
    rank = len(taps)
    rows = ops.reshape(ops.transpose(kernel, (rank + 1, rank, *range(rank))), (-1,))
    return ops.transpose(ops.reshape(rows, (out, inputs, *taps)), (*range(2, rank + 2), 1, 0))


def _is_native(x: Any, kernel: Any, window: Window) -> bool:
    """Whether the backend has this convolution, and a fast one."""
    backend, inputs = keras.backend.backend(), x.shape[-1]
    if backend == "torch":
        return True
    if max(window.strides) > 1 and max(window.dilations) > 1:  # TensorFlow has not both
        return False
    if inputs == kernel.shape[-2]:
        return True
    # Keras compiles TensorFlow's grouped convolutions anew in each eager call. On a CPU, XLA's
    # depthwise convolution is much slower than the sum here, and TensorFlow's own, which there is
    # for one or two axes of equal strides, much faster.
    depthwise = kernel.shape[-2] == 1 and inputs == kernel.shape[-1]
    planar = len(window.strides) < 3 and len(set(window.strides)) == 1
    return backend == "tensorflow" and depthwise and planar


def conv_per_sample(x: Any, kernels: Any, window: Window) -> Any:
    """Convolution of each sample with its own kernel.

    Args:
        x: (batch, *map, in).
        kernels: (batch, *kernel, in // groups, out), or a batch of 1 for all samples.
        window: how the kernels move over the map.

    Returns:
        (batch, *map after convolution, out).

    Raises:
        ValueError: the kernels do not fit into the map.
    """
    window.output_shape(x.shape, kernels.shape[-1])
    x, window = at_unit_stride(x, window)
    form = recorded_form(x)
    if form == "single" and x.shape[0] == 1 and _is_native(x, kernels[0], window):
        return conv(x, kernels[0], window)
    if form is None and _is_faster_by_sample(x, kernels, window):
        return _sample_by_sample(x, kernels, window)
    return _on_taps(x, kernels, window)


def _sample_by_sample(x: Any, kernels: Any, window: Window) -> Any:
    """One convolution after the other: written out where their number is known, else in a map."""
    if not 0 < (x.shape[0] or 0) <= _MOST_WRITTEN_OUT:
        return ops.map(lambda one: conv(one[0][None], one[1], window)[0], (x, kernels))
    # The gradient of each sample's slice would be a whole batch of zeros around it; that of
    # `unstack` is one `stack`.
    pairs = zip(ops.unstack(x, x.shape[0]), ops.unstack(kernels, x.shape[0]), strict=True)
    return ops.concatenate([conv(one[None], kernel, window) for one, kernel in pairs])


def _is_faster_by_sample(x: Any, kernels: Any, window: Window) -> bool:
    """Whether to run one convolution after the other, which is for TensorFlow and a CPU alone."""
    if keras.backend.backend() != "tensorflow" or keras.distribution.list_devices("gpu"):
        return False
    several = x.shape[0] != 0 and kernels.shape[0] != 1  # unknown ones are
    # The patches of a pointwise kernel are the map itself.
    return several and max(window.kernel) > 1 and _is_native(x, kernels[0], window)


def _on_taps(x: Any, kernels: Any, window: Window) -> Any:
    """Sums what each tap of the kernels makes of what it sees."""
    groups = x.shape[-1] // kernels.shape[-2]
    taps = _taps(pad(x, window), window)
    if groups == x.shape[-1] == kernels.shape[-1]:
        return _depthwise(taps, kernels)
    return _grouped(taps, kernels, groups)


def _taps(x: Any, window: Window) -> list[Any]:
    """What each tap of the kernel sees, in row-major order: (batch, *map after convolution, in)."""
    sizes = map_sizes(x)  # may be tensors
    lengths = [
        # In this form the sizes of JAX's symbolic shapes equal those of its own convolutions.
        (size - reach - 1) // step * step + 1
        for size, reach, step in zip(sizes, window.reaches, window.strides, strict=True)
    ]
    return [
        x[(slice(None), *map(slice, starts, map(add, starts, lengths), window.strides))]
        for starts in window.taps
    ]


def _depthwise(taps: Sequence[Any], kernels: Any) -> Any:
    channels = kernels.shape[-1]
    ones = (1,) * (len(taps[0].shape) - 2)
    # (batch, taps, *ones, channels)
    kernels = ops.reshape(kernels, (-1, len(taps), *ones, channels))
    total = taps[0] * kernels[:, 0]
    for index, tap in enumerate(taps[1:], start=1):
        total = total + tap * kernels[:, index]
    return total


def _grouped(taps: Sequence[Any], kernels: Any, groups: int) -> Any:
    shape = ops.shape(taps[0])  # (batch, *map, in), tensors among them if the graph knows no number
    positions = prod(shape[1:-1])
    inputs, outputs = kernels.shape[-2:]
    if groups == 1:  # in three axes, which runtimes take that have no more than four
        depth = len(taps) * inputs  # a number, because torch infers no axis of an empty batch
        patches = ops.reshape(ops.concatenate(taps, -1), (shape[0], positions, depth))
        y = patches @ ops.reshape(kernels, (-1, depth, outputs))
        return ops.reshape(y, (*shape[:-1], outputs))
    patches = ops.stack(taps, axis=-2)  # (batch, *map, taps, in)
    patches = ops.reshape(patches, (shape[0], positions, len(taps), groups, inputs))
    patches = ops.transpose(patches, (0, 3, 1, 2, 4))
    # (batch, groups, positions, taps * in // groups)
    patches = ops.reshape(patches, (shape[0], groups, positions, len(taps) * inputs))
    kernels = ops.reshape(kernels, (-1, len(taps), inputs, groups, outputs // groups))
    kernels = ops.transpose(kernels, (0, 3, 1, 2, 4))
    # (batch, groups, taps * in // groups, out // groups)
    kernels = ops.reshape(kernels, (-1, groups, len(taps) * inputs, outputs // groups))
    # The operator, because `ops.matmul` takes float64 for float32 on PyTorch.
    y = patches @ kernels  # (batch, groups, positions, out // groups)
    return ops.reshape(ops.transpose(y, (0, 2, 1, 3)), (*shape[:-1], outputs))
