"""Options of every layer, the sizes that follow from them, and what the layer stores."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import prod
from typing import Any

from odconv_spec.geometry import (
    Ints,
    Pairs,
    divisible,
    one_of,
    padding_pairs,
    per_axis,
    real,
    same_pairs,
    whole,
)
from odconv_spec.parameters import Parameter, Role, under

HEAD_INITS = ("zero", "published")


@dataclass(frozen=True)
class NormSpec:
    """Batch normalisation over all axes but the channels'."""

    channels: int
    eps: float = 1e-5
    momentum: float = 0.1  # weight of the new batch; Keras and Paddle take 1 - momentum

    def parameters(self) -> tuple[Parameter, ...]:
        shape = (self.channels,)
        return (
            Parameter("weight", Role.NORM_SCALE, shape),
            Parameter("bias", Role.NORM_SHIFT, shape),
            Parameter("running_mean", Role.NORM_MEAN, shape),
            Parameter("running_var", Role.NORM_VARIANCE, shape),
        )


@dataclass(frozen=True)
class LinearSpec:
    """A fully connected layer with a bias."""

    in_channels: int
    out_channels: int

    def parameters(self) -> tuple[Parameter, ...]:
        return (
            Parameter("weight", Role.LINEAR_KERNEL, (self.out_channels, self.in_channels)),
            Parameter("bias", Role.BIAS, (self.out_channels,)),
        )


@dataclass(frozen=True, kw_only=True)
class ConvSpec:
    """A static convolution over `rank` spatial axes.

    After construction `kernel_size`, `stride` and `dilation` are tuples of `rank` numbers and
    `padding` is a tuple of (before, after) pairs, or "same" where a stride makes its size depend
    on the input's.

    Raises:
        ValueError: an option is out of range, or `groups` does not divide the channels.
    """

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
        for name in ("in_channels", "out_channels", "groups"):
            self._normal(name, whole(name, getattr(self, name), 1))
        for name in ("kernel_size", "stride", "dilation"):
            self._normal(name, per_axis(name, getattr(self, name), rank, 1))
        pads = padding_pairs(self.padding, rank)
        if pads == "same" and set(self.strides) == {1}:
            pads = same_pairs(self.kernel, self.dilations)
        self._normal("padding", pads)
        divisible(self.groups, in_channels=self.in_channels, out_channels=self.out_channels)

    def _normal(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # the one way to normalise a frozen dataclass's field

    @property
    def kernel(self) -> tuple[int, ...]:
        """Extent of the kernel along each spatial axis."""
        return self.kernel_size  # type: ignore[return-value]  # normalised above

    @property
    def strides(self) -> tuple[int, ...]:
        return self.stride  # type: ignore[return-value]

    @property
    def dilations(self) -> tuple[int, ...]:
        return self.dilation  # type: ignore[return-value]

    @property
    def pads(self) -> Pairs:
        """Zeros (before, after) each spatial axis.

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
        """(out, in // groups, *kernel)"""
        return (self.out_channels, self.in_channels // self.groups, *self.kernel)

    @property
    def depthwise(self) -> bool:
        return self.groups == self.in_channels == self.out_channels

    def options(self) -> dict[str, Any]:
        """The arguments that give this spec again, without the rank."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "rank"}

    def own_parameters(self) -> tuple[Parameter, ...]:
        """The arrays that the layer itself holds, without those of its sub-layers."""
        kernel = Parameter("weight", Role.CONV_KERNEL, self.kernel_shape)
        return (kernel, *self._bias())

    def parameters(self) -> tuple[Parameter, ...]:
        return self.own_parameters()

    def _bias(self) -> tuple[Parameter, ...]:
        return (Parameter("bias", Role.BIAS, (self.out_channels,)),) if self.bias else ()


@dataclass(frozen=True, kw_only=True)
class ODConvSpec(ConvSpec):
    """Omni-dimensional dynamic convolution, https://openreview.net/forum?id=DmpCfq6Mg39.

    `kernel_num` kernels are mixed for each sample, and their input channels, output channels and
    taps are scaled, by attentions computed from the sample's mean over space.

    `reduction` and `min_channels` give the hidden width of the attention; `head_init` is "zero"
    (the layer starts as a plain convolution) or "published" (Kaiming normal). `bias`, which the
    published layer does not have, is added after the filter attention.
    """

    kernel_num: int = 4
    reduction: float = 0.0625
    min_channels: int = 16
    head_init: str = "zero"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._normal("kernel_num", whole("kernel_num", self.kernel_num, 1))
        self._normal("min_channels", whole("min_channels", self.min_channels, 1))
        one_of("head_init", self.head_init, HEAD_INITS)
        real("reduction", self.reduction, 0, 1)

    @property
    def attention_channels(self) -> int:
        """Hidden width of the attention."""
        return max(int(self.in_channels * self.reduction), self.min_channels)

    def heads(self) -> dict[str, int]:
        """Width of each attention head that exists; an absent one is the constant one.

        As in the published code: a depthwise layer has no filter head, a kernel of one tap has no
        spatial head, and a single kernel has no kernel head.
        """
        widths = {"channel_fc": self.in_channels}
        if not self.depthwise:
            widths["filter_fc"] = self.out_channels
        if prod(self.kernel) > 1:
            widths["spatial_fc"] = prod(self.kernel)
        if self.kernel_num > 1:
            widths["kernel_fc"] = self.kernel_num
        return widths

    def trunk(self) -> ConvSpec:
        """The squeeze that all heads share."""
        return self._pointwise(self.in_channels, self.attention_channels, bias=False)

    def head(self, name: str) -> ConvSpec:
        return self._pointwise(self.attention_channels, self.heads()[name], bias=True)

    def own_parameters(self) -> tuple[Parameter, ...]:
        experts = Parameter("weight", Role.EXPERT_KERNELS, (self.kernel_num, *self.kernel_shape))
        return (experts, *self._bias())

    def parameters(self) -> tuple[Parameter, ...]:
        attention = under("fc", self.trunk().parameters())
        attention += under("bn", NormSpec(self.attention_channels).parameters())
        for name in self.heads():
            attention += under(name, self.head(name).parameters())
        return (*self.own_parameters(), *under("attention", attention))

    def _pointwise(self, in_channels: int, out_channels: int, bias: bool) -> ConvSpec:
        return ConvSpec(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=1,
            bias=bias,
            rank=self.rank,
        )
