"""The positions of a map that a pointwise kernel with a stride sees. Channels are last.

On processors with AVX-512, the gradient of such a convolution at a batch of one and few channels
ends the process with "double free" in TensorFlow 2.21. Taking the positions first and convolving
them with a stride of 1 is the same function.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from odconv_keras.layers.padding import Window, pad
from odconv_keras.layers.sizes import map_sizes


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
    unpadded = ((0, 0),) * len(window.kernel)
    return _positions(pad(x, window), window.strides), Window(ones, ones, unpadded, ones)


def _positions(x: Any, strides: Sequence[int]) -> Any:
    if keras.backend.backend() == "tensorflow":
        from odconv_keras.layers.subsampling_tensorflow import gathered

        return gathered(x, strides)
    # In this form the sizes of JAX's symbolic shapes equal those of its own convolutions.
    ends = [(size - 1) // step * step + 1 for size, step in zip(map_sizes(x), strides, strict=True)]
    starts = (0,) * len(ends)
    return x[(slice(None), *map(slice, starts, ends, strides))]
