"""How kernels move over a map."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import torch

from odconv_spec.geometry import Pairs
from odconv_torch.layers.padding import no_padding, pad


class Window(NamedTuple):
    """Strides, zero padding (before, after), dilations of each axis, and the groups of channels."""

    stride: tuple[int, ...]
    padding: Pairs
    dilation: tuple[int, ...]
    groups: int

    @property
    def sides(self) -> tuple[int, ...]:
        """The padding as torch's convolutions take it, the same on both sides."""
        return tuple(before for before, _ in self.padding)

    def symmetric(self, x: torch.Tensor) -> tuple[torch.Tensor, Window]:
        """The map, padded where torch's convolutions cannot do it, and the window that remains."""
        if all(before == after for before, after in self.padding):
            return x, self
        return pad(x, self.padding), self._replace(padding=no_padding(len(self.padding)))

    def output_size(self, shape: torch.Size, taps: torch.Size) -> tuple[int, ...]:
        """Size of a map (batch, in, *map) after its convolution with kernels of `taps`."""
        axes = zip(shape[2:], taps, self.stride, self.padding, self.dilation, strict=True)
        return tuple(
            (size + sum(pads) - (count - 1) * reach - 1) // step + 1
            for size, count, step, pads, reach in axes
        )

    def is_pointwise(self, taps: torch.Size) -> bool:
        """Whether each position of the output sees the same position of the input, and no other."""
        padded = any(before or after for before, after in self.padding)
        return prod(taps) == 1 and set(self.stride) == {1} and not padded
