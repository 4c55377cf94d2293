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
    def kernel_size(self) -> tuple[int, ...]:
        """Extent of the kernel along each spatial axis.

        Returns:
            A tuple with a number of taps for each axis.
        """
        return self.spec.kernel

    @property
    def stride(self) -> tuple[int, ...]:
        """Step of the kernel along each spatial axis.

        Returns:
            A tuple with a number of positions for each axis.
        """
        return self.spec.strides

    @property
    def padding(self) -> str | tuple[int, ...] | Pairs:
        """Zeros around the map.

        Returns:
            As a convolution of the framework has it; pairs (before, after) where they differ.
        """
        if isinstance(self._given_padding, str):
            return self._given_padding
        pads = self.spec.pads
        uneven = any(before != after for before, after in pads)
        return pads if uneven else tuple(before for before, _ in pads)

    @property
    def dilation(self) -> tuple[int, ...]:
        """Distance between the taps along each spatial axis.

        Returns:
            A tuple with a number of positions for each axis.
        """
        return self.spec.dilations

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
        return self._padding_mode

    @property
    def transposed(self) -> bool:
        """Whether it is a transposed convolution.

        Returns:
            False.
        """
        return False

    @property
    def output_padding(self) -> tuple[int, ...]:
        """What a transposed convolution adds to the size of its output.

        Returns:
            Zero for each axis.
        """
        return (0,) * self.spec.rank
