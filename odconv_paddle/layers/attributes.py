"""The attributes by which code reads the geometry of a convolution of Paddle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from odconv_spec import ConvSpec


class ConvAttributes:
    """Read-only, from the spec: each under a plain name and under Paddle's, with an underscore.

    `paddle.nn.Conv2D` has no others than its private names, so that code which builds, counts or
    rewrites convolutions reads those. Sizes are lists with a number for each axis. The padding is a
    number where all sides are alike, a list with a number for each axis, or one with two.
    """

    spec: ConvSpec
    _format: str

    @property
    def in_channels(self) -> int:
        """Channels of the input.

        Returns:
            A number of channels.
        """
        return self.spec.in_channels

    @property
    def out_channels(self) -> int:
        """Channels of the output.

        Returns:
            A number of channels.
        """
        return self.spec.out_channels

    @property
    def kernel_size(self) -> list[int]:
        """Extent of the kernel along each spatial axis.

        Returns:
            A list with a number of taps for each axis.
        """
        return list(self.spec.kernel)

    @property
    def stride(self) -> list[int]:
        """Step of the kernel along each spatial axis.

        Returns:
            A list with a number of positions for each axis.
        """
        return list(self.spec.strides)

    @property
    def padding(self) -> int | list[int]:
        """Zeros around the map.

        Returns:
            As a convolution of Paddle has it: one number, or one for each axis or side.
        """
        return paddle_padding(self.spec.pads)

    @property
    def dilation(self) -> list[int]:
        """Distance between the taps along each spatial axis.

        Returns:
            A list with a number of positions for each axis.
        """
        return list(self.spec.dilations)

    @property
    def groups(self) -> int:
        """Groups of channels that are convolved apart.

        Returns:
            A number of groups.
        """
        return self.spec.groups

    @property
    def padding_mode(self) -> str:
        """What the map is padded with.

        Returns:
            Such as "zeros".
        """
        return "zeros"

    @property
    def data_format(self) -> str:
        """The order of axes of the map.

        Returns:
            Such as "NCHW".
        """
        return self._format

    @property
    def _bias_attr(self) -> Any:
        return None if self.spec.bias else False

    _in_channels = in_channels
    _out_channels = out_channels
    _kernel_size = kernel_size
    _stride = stride
    _padding = padding
    _dilation = dilation
    _groups = groups
    _padding_mode = padding_mode
    _data_format = data_format


def paddle_padding(pads: Sequence[tuple[int, int]]) -> int | list[int]:
    """Numbers (before, after) each axis in the shortest form that Paddle takes."""
    sides = [side for pair in pads for side in pair]
    if len(set(sides)) == 1:
        return sides[0]
    symmetric = all(before == after for before, after in pads)
    return [before for before, _ in pads] if symmetric else sides
