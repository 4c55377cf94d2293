"""The attributes by which code reads the geometry of a convolution of PyTorch."""

from __future__ import annotations

from odconv_spec import ConvSpec
from odconv_spec.geometry import Pairs


class ConvAttributes:
    """Read-only, from the spec, in the form that `torch.nn.Conv2d` has them.

    The padding is one number for each axis, (before, after) pairs where they differ, or the word
    "same" or "valid" if it was given so.
    """

    spec: ConvSpec
    _given_padding: object
    _padding_mode: str

    @property
    def in_channels(self) -> int:
        return self.spec.in_channels

    @property
    def out_channels(self) -> int:
        return self.spec.out_channels

    @property
    def kernel_size(self) -> tuple[int, ...]:
        return self.spec.kernel

    @property
    def stride(self) -> tuple[int, ...]:
        return self.spec.strides

    @property
    def padding(self) -> str | tuple[int, ...] | Pairs:
        if isinstance(self._given_padding, str):
            return self._given_padding
        pads = self.spec.pads
        uneven = any(before != after for before, after in pads)
        return pads if uneven else tuple(before for before, _ in pads)

    @property
    def dilation(self) -> tuple[int, ...]:
        return self.spec.dilations

    @property
    def groups(self) -> int:
        return self.spec.groups

    @property
    def padding_mode(self) -> str:
        return self._padding_mode

    @property
    def transposed(self) -> bool:
        return False

    @property
    def output_padding(self) -> tuple[int, ...]:
        return (0,) * self.spec.rank
