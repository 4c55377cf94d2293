"""Padding by numbers of zeros, which Keras' own convolutions do not have, and by "same"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

from keras import ops

from odconv_keras.layers.sizes import map_sizes
from odconv_spec import ConvSpec
from odconv_spec.geometry import Padding, padding_pairs, same_pairs


@dataclass(frozen=True)
class Window:
    """How a kernel moves over a map: one number for each axis, the padding as a spec holds it.

    A layer makes its window once; what follows from the window is computed once, too.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    padding: Padding
    dilations: tuple[int, ...]

    @classmethod
    def of(
        cls,
        kernel: Sequence[int],
        strides: Sequence[int],
        padding: object,
        dilations: Sequence[int],
    ) -> Window:
        """Takes every form of padding; raises ValueError for what is none."""
        pads = padding_pairs(padding, len(kernel))
        if pads == "same" and set(strides) == {1}:
            pads = same_pairs(kernel, dilations)
        return cls(tuple(kernel), tuple(strides), pads, tuple(dilations))

    @classmethod
    def of_spec(cls, spec: ConvSpec) -> Window:
        """That of a spec, which has checked it."""
        return cls(spec.kernel, spec.strides, spec.padding, spec.dilations)  # type: ignore[arg-type]

    @cached_property
    def taps(self) -> tuple[tuple[int, ...], ...]:
        """Where each tap of the kernel starts to see, in row-major order."""
        places = [
            range(0, reach + 1, d) for reach, d in zip(self.reaches, self.dilations, strict=True)
        ]
        return tuple(product(*places))

    @cached_property
    def reaches(self) -> tuple[int, ...]:
        """Distance of the first and the last tap along each axis."""
        return tuple(d * (k - 1) for k, d in zip(self.kernel, self.dilations, strict=True))

    @cached_property
    def keeps_size(self) -> bool:
        """Whether this is Keras' "same" with stride 1, which is alike on all backends."""
        same = same_pairs(self.kernel, self.dilations)
        return set(self.strides) == {1} and self.padding == same

    def pairs(self, sizes: Sequence[Any]) -> tuple[tuple[Any, Any], ...]:
        """Zeros (before, after) each axis of a map of `sizes`, which may be scalar tensors."""
        if self.padding != "same":
            return self.padding
        return tuple(map(_same_pair, sizes, self.reaches, self.strides))

    def output_shape(self, shape: Sequence[int | None], channels: int) -> tuple[int | None, ...]:
        """(batch, *map, channels) of the output for an input (batch, *map, in); None is unknown.

        Raises:
            ValueError: the kernel does not fit into the padded map.
        """
        sizes = [self._output_size(axis, size) for axis, size in enumerate(shape[1:-1])]
        if [size for size in sizes if isinstance(size, int) and size < 1]:
            raise ValueError(
                f"kernel_size: expected a kernel that fits into the padded map, received "
                f"{self.kernel} with dilation_rate={self.dilations} and padding={self.padding} "
                f"for an input of shape {tuple(shape)}"
            )
        return (shape[0], *sizes, channels)

    def _output_size(self, axis: int, size: int | None) -> int | None:
        if size is None:
            return None
        if self.padding == "same":
            return -(-size // self.strides[axis])
        padded = size + sum(self.padding[axis])
        return (padded - self.reaches[axis] - 1) // self.strides[axis] + 1


def pad(x: Any, window: Window) -> Any:
    """Puts the window's zeros around the map of x, (batch, *map, channels)."""
    if window.padding == ((0, 0),) * len(window.kernel):
        return x
    # On TensorFlow `ops.shape` gives scalar tensors for the sizes that the graph does not know.
    pairs = window.pairs(map_sizes(x))
    return ops.pad(x, ((0, 0), *pairs, (0, 0)))


def _same_pair(size: Any, reach: int, stride: int) -> tuple[Any, Any]:
    """TensorFlow's rule: every `stride`-th position has an output, an odd rest goes after."""
    last = (size - 1) // stride * stride  # where the last window begins
    total = last + reach + 1 - size
    if reach + 1 < stride:  # only then may the last window end before the map does
        total = max(total, 0) if isinstance(size, int) else ops.maximum(total, 0)
    return total // 2, total - total // 2
