"""The static convolution: its options, the sizes that follow from them, and what it stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, fields
from typing import Any, ClassVar

from odconv_spec.geometry import (
    Ints,
    Pairs,
    divisible,
    flag,
    padding_pairs,
    per_axis,
    same_pairs,
    whole,
)
from odconv_spec.layer_options import LayerOptions
from odconv_spec.linear import LinearSpec
from odconv_spec.parameters import Parameter, Role
from odconv_spec.shared import SharedSpec
from odconv_spec.site import Site
from odconv_spec.warehouse import WarehouseManagerSpec

MOST_AXES = 3


@dataclass(frozen=True, kw_only=True)
class ConvSpec(LayerOptions):
    """A static convolution over `rank` spatial axes.

    After construction `kernel_size`, `stride` and `dilation` are tuples of `rank` numbers and
    `padding` is a tuple of (before, after) pairs, or "same" where a stride makes its size depend
    on the input's.

    Raises:
        ValueError: an option is out of range, or `groups` does not divide the channels.

    Example:
        >>> spec = ConvSpec(in_channels=8, out_channels=6, kernel_size=(3, 5), stride=2, groups=2)
        >>> spec.kernel_shape, spec.output_size((32, 40))
        ((6, 4, 3, 5), (15, 18))
    """

    kind: ClassVar[str] = "static"

    in_channels: int
    out_channels: int
    kernel_size: Ints
    stride: Ints = 1
    padding: object = 0
    dilation: Ints = 1
    groups: int = 1
    bias: bool = False
    rank: int = 2

    def __post_init__(self) -> None:
        rank = whole("rank", self.rank, 1)
        if rank > MOST_AXES:
            raise ValueError(f"rank: expected 1, 2 or 3 spatial axes, received {rank}")
        for name in ("in_channels", "out_channels", "groups"):
            self._normal(name, whole(name, getattr(self, name), 1))
        for name in ("kernel_size", "stride", "dilation"):
            self._normal(name, per_axis(name, getattr(self, name), rank, 1))
        pads = padding_pairs(self.padding, rank)
        if pads == "same" and set(self.strides) == {1}:
            pads = same_pairs(self.kernel, self.dilations)
        self._normal("padding", pads)
        flag("bias", self.bias)
        divisible(self.groups, in_channels=self.in_channels, out_channels=self.out_channels)

    def _normal(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # the one way to normalise a frozen dataclass's field

    @property
    def kernel(self) -> tuple[int, ...]:
        """Extent of the kernel along each spatial axis.

        Returns:
            A number of taps for each axis.
        """
        return self.kernel_size  # type: ignore[return-value]  # normalised above

    @property
    def strides(self) -> tuple[int, ...]:
        """Step of the kernel along each spatial axis.

        Returns:
            A number of positions for each axis.
        """
        return self.stride  # type: ignore[return-value]

    @property
    def dilations(self) -> tuple[int, ...]:
        """Distance between the taps of the kernel along each spatial axis.

        Returns:
            A number of positions for each axis.
        """
        return self.dilation  # type: ignore[return-value]

    @property
    def pads(self) -> Pairs:
        """Zeros (before, after) each spatial axis.

        Returns:
            A pair for each axis.

        Raises:
            ValueError: `padding` is "same" beside a stride, so that it depends on the input's size.
        """
        if self.padding == "same":
            raise ValueError(
                f"padding='same': expected stride 1, received stride={self.strides}; "
                "give the padding as numbers"
            )
        return self.padding  # type: ignore[return-value]

    @property
    def kernel_shape(self) -> tuple[int, ...]:
        """(out, in // groups, *kernel)

        Returns:
            The shape of one kernel.
        """
        return (self.out_channels, self.in_channels // self.groups, *self.kernel)

    def output_size(self, size: Sequence[int]) -> tuple[int, ...]:
        """Size of the output's map for an input's.

        Args:
            size: of the input's map, a number of positions for each axis.

        Returns:
            A number of positions for each axis.

        Raises:
            ValueError: the kernel does not fit into the padded map.
        """
        if self.padding == "same":  # beside a stride, where it has this size in every framework
            return tuple(
                -(-length // step) for length, step in zip(size, self.strides, strict=True)
            )
        axes = zip(size, self.pads, self.kernel, self.strides, self.dilations, strict=True)
        found = tuple(
            (length + sum(pads) - reach * (taps - 1) - 1) // step + 1
            for length, pads, taps, step, reach in axes
        )
        if min(found) < 1:
            raise ValueError(
                f"kernel_size: expected a kernel that fits into the padded map, received "
                f"{self.kernel} with dilation={self.dilations}, padding={self.pads} and a map of "
                f"{tuple(size)}"
            )
        return found

    @classmethod
    def own_options(cls) -> tuple[Field[Any], ...]:
        """The options that not every convolution has, in their order: none of a static one.

        Returns:
            Fields of the dataclass.
        """
        geometry = {field.name for field in fields(ConvSpec)}
        return tuple(field for field in fields(cls) if field.name not in geometry)

    @classmethod
    def at(cls, site: Site, geometry: Mapping[str, Any], options: Mapping[str, Any]) -> ConvSpec:
        """The convolution at a place of a backbone whose convolutions are of this kind.

        Returns:
            The spec of the layer.
        """
        return cls(**geometry, **options)

    @property
    def takes_shared(self) -> bool:
        """Whether the layer is called with what its block shares beside its input.

        Returns:
            True where the layer computes no such thing itself.
        """
        return False

    @classmethod
    def shared_of_block(
        cls, site: Site, in_channels: int, options: Mapping[str, Any]
    ) -> SharedSpec | None:
        """The layer whose output all convolutions of a block take, if they share one.

        Args:
            site: of one of the convolutions.
            in_channels: of the block.
            options: those that the user of the backbone chose.

        Returns:
            The spec of the layer, None where each convolution has its own.
        """
        return None

    @classmethod
    def sharing(
        cls, convs: Sequence[ConvSpec]
    ) -> tuple[Sequence[ConvSpec], WarehouseManagerSpec | None]:
        """The convolutions of a network, with what all of them share, if they do.

        Args:
            convs: in the order of the network, static ones among them.

        Returns:
            The specs, which know their places now, and the spec of what they share or None.
        """
        return convs, None

    @property
    def depthwise(self) -> bool:
        """Whether each channel is convolved with a kernel of its own.

        Returns:
            True where groups, input and output channels are the same number.
        """
        return self.groups == self.in_channels == self.out_channels

    @classmethod
    def classifier(
        cls, site: Site, in_channels: int, out_channels: int, options: Mapping[str, Any]
    ) -> LinearSpec | ConvSpec:
        """The classifier of a backbone of such convolutions, which have these options.

        Args:
            site: its place, of the part "head".
            in_channels: width of the features.
            out_channels: number of classes.
            options: those that the user of the backbone chose.

        Returns:
            The spec of a linear layer, or of a 1x1 convolution of the pooled map.
        """
        return LinearSpec(in_channels, out_channels)

    def mixing_multiply_adds(self, inputs: int, outputs: int) -> int:
        """What a sample takes beside the convolution itself, see `odconv_spec.multiply_adds`.

        Args:
            inputs: positions of the input's map.
            outputs: positions of the output's map.

        Returns:
            A number of multiply-adds, zero for a static convolution.
        """
        return 0

    def options(self) -> dict[str, Any]:
        """The arguments that give this spec again, without the rank.

        Returns:
            Argument -> value.
        """
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "rank"}

    def own_parameters(self) -> tuple[Parameter, ...]:
        """The arrays that the layer itself holds, without those of its sub-layers.

        Returns:
            Name, role and shape of each array.
        """
        kernel = Parameter("weight", Role.CONV_KERNEL, self.kernel_shape)
        return (kernel, *self._bias())

    def parameters(self) -> tuple[Parameter, ...]:
        """Every stored array.

        Returns:
            Name, role and shape of each array, in the order of the published state dict.
        """
        return self.own_parameters()

    def _bias(self) -> tuple[Parameter, ...]:
        return (Parameter("bias", Role.BIAS, (self.out_channels,)),) if self.bias else ()
