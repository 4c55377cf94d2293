"""The positions of a map that a pointwise kernel with a stride sees. Channels are last.

On processors with AVX-512, the gradient of such a convolution at a batch of one and few channels
ends the process with "double free" in TensorFlow 2.21. Taking the positions first and convolving
them with a stride of 1 is the same function.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from odconv_keras.layers.padding import Window, pad


def at_unit_stride(x: Any, window: Window) -> tuple[Any, Window]:
    """What is left to do for a window: of a pointwise kernel with a stride, one of stride 1.

    Args:
        x: (batch, *map, in).
        window: how the kernel moves over the map.

    Returns:
        The map, or its positions that the kernel sees, (batch, *map after convolution, in), and the
        window that moves over it.
    """
    if max(window.kernel) > 1 or max(window.strides) == 1:
        return x, window
    ones = (1,) * len(window.kernel)
    take = _blocks if keras.backend.backend() == "tensorflow" else _steps
    return take(x, window), Window.of(ones, ones, 0, ones)


def _steps(x: Any, window: Window) -> Any:
    x = pad(x, window)
    # In this form the sizes of JAX's symbolic shapes equal those of its own convolutions.
    ends = [
        (size - 1) // step * step + 1
        for size, step in zip(ops.shape(x)[1:-1], window.strides, strict=True)
    ]
    axes = zip(ends, window.strides, strict=True)
    return x[(slice(None), *(slice(0, end, step) for end, step in axes))]


def _blocks(x: Any, window: Window) -> Any:
    """`_steps` as one slice of whole rows: TensorFlow takes a slice with steps value by value.

    A map (batch, n1 * s1, n2 * s2, channels) is in memory a map (batch * n1, s1 * n2, s2 *
    channels), of which the first n2 rows and the first channels are seen; further axes alike.
    """
    batch, *sizes, channels = ops.shape(x)  # tensors among them if the graph knows no number
    strides = window.strides
    pairs = window.pairs(sizes)
    padded = [size + before + after for size, (before, after) in zip(sizes, pairs, strict=True)]
    seen = [(size - 1) // step + 1 for size, step in zip(padded, strides, strict=True)]
    rests = [n * s - size for n, s, size in zip(seen, strides, padded, strict=True)]
    ends = [(before, after + rest) for (before, after), rest in zip(pairs, rests, strict=True)]
    if not all(isinstance(n, int) and n == 0 for pair in ends for n in pair):
        x = ops.pad(x, ((0, 0), *ends, (0, 0)))  # (batch, *n * s, channels)
    kept = (batch * seen[0], *seen[1:], channels)
    steps = (1, *strides)
    rows = ops.reshape(x, tuple(s * n for s, n in zip(steps, kept, strict=True)))
    return ops.reshape(ops.slice(rows, (0,) * len(kept), kept), (batch, *seen, channels))
