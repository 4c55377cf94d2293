"""WeightNet, https://arxiv.org/abs/2007.11823, whose kernels a layer of the input's mean makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, Final

from odconv_spec.dynamic import DynamicConvSpec
from odconv_spec.evidence import (
    Shapes,
    UnexplainedError,
    dimension,
    no_reduction,
    owners,
    widths,
)
from odconv_spec.geometry import one_of, whole
from odconv_spec.kernel_bank import HEAD_INITS
from odconv_spec.layers import ConvSpec
from odconv_spec.parameters import Parameter, under
from odconv_spec.shared import SharedSpec
from odconv_spec.site import Site

ROUTERS = ("own", "shared")
REDUCTION: Final = 16
LEAST: Final = 16
PUBLISHED_M: Final = 2


@dataclass(frozen=True)
class ReduceSpec(SharedSpec):
    """A 1x1 convolution of a map's mean, over `rank` axes: the vector that kernels are made of.

    Example:
        >>> layer = WeightNetConvSpec(in_channels=64, out_channels=32, kernel_size=3).reduce()
        >>> isinstance(layer, ReduceSpec), layer.conv().kernel_shape
        (True, (16, 64, 1, 1))
    """

    name: ClassVar[str] = "reduce"

    rank: int = 2

    def conv(self) -> ConvSpec:
        """The layer as a convolution of the mean.

        Returns:
            The spec of a 1x1 convolution with a bias.
        """
        return ConvSpec(
            in_channels=self.in_channels,
            out_channels=self.out_channels,
            kernel_size=1,
            bias=True,
            rank=self.rank,
        )

    def parameters(self) -> tuple[Parameter, ...]:
        return self.conv().parameters()


@dataclass(frozen=True, kw_only=True)
class WeightNetConvSpec(DynamicConvSpec):
    """WeightNet, https://arxiv.org/abs/2007.11823.

    Two fully connected layers make the kernel of each sample from a vector that `reduce` makes of
    the mean: a sigmoid of the first gives `multiplier` numbers for each filter, M in the paper, and
    the second turns them into taps in `fc_groups` groups a filter, G in the paper. Where both are
    equal, which is as published, each tap is a static one times one of these numbers. A depthwise
    convolution has multiplier / fc_groups numbers and one group for each channel.

    The vector has max(in_channels // `reduction`, `min_channels`) numbers, or `hidden_channels`.
    `router` is "own", or "shared" where the layer is called with the vector that its block shares.

    Raises:
        ValueError: besides what every convolution raises, groups that are neither one nor as many
            as channels, a multiplier that is no multiple of `fc_groups`, or taps that do not fall
            into as many groups.

    Example:
        >>> spec = WeightNetConvSpec(in_channels=64, out_channels=32, kernel_size=3)
        >>> spec.vector_channels, spec.copies, [(p.name, p.shape) for p in spec.parameters()][2:4]
        (16, 1, [('wn_fc1.weight', (64, 16, 1, 1)), ('wn_fc1.bias', (64,))])
    """

    kind: ClassVar[str] = "weightnet"
    parts: ClassVar[frozenset[str]] = frozenset({"block", "shortcut"})
    placed: ClassVar[frozenset[str]] = frozenset({"router", "hidden_channels"})
    sign: ClassVar[str] = "wn_fc1.weight"
    shown_by: ClassVar[Mapping[str, str]] = {
        "multiplier": "wn_fc2.weight",
        "fc_groups": "wn_fc2.weight",
        "reduction": "reduce.weight",
        "min_channels": "reduce.weight",
    }

    multiplier: int = PUBLISHED_M
    fc_groups: int = 2
    reduction: int = REDUCTION
    min_channels: int = LEAST
    hidden_channels: int | None = None
    router: str = "own"
    head_init: str = "published"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("multiplier", "fc_groups", "reduction", "min_channels"):
            self._normal(name, whole(name, getattr(self, name), 1))
        if self.hidden_channels is not None:
            self._normal("hidden_channels", whole("hidden_channels", self.hidden_channels, 1))
        one_of("router", self.router, ROUTERS)
        one_of("head_init", self.head_init, HEAD_INITS)
        self._check_multiplier()
        self._check_groups()
        self._check_taps()

    def _check_multiplier(self) -> None:
        if self.multiplier % self.fc_groups:
            nearest = max(1, round(self.multiplier / self.fc_groups)) * self.fc_groups
            raise ValueError(
                f"multiplier: expected a multiple of fc_groups={self.fc_groups}, received "
                f"{self.multiplier}; the nearest is {nearest}"
            )

    def _check_groups(self) -> None:
        if self.groups > 1 and not self.depthwise:
            raise ValueError(
                f"groups: expected 1, or as many as in_channels={self.in_channels} and "
                f"out_channels={self.out_channels}, received {self.groups}; WeightNet is defined "
                "for plain and depthwise convolutions"
            )

    def _check_taps(self) -> None:
        """The taps of a filter in order (in, *kernel) are cut into groups of equal length."""
        taps = self.in_channels * prod(self.kernel)
        if self.depthwise_form or taps % self.fc_groups == 0:
            return
        legal = (
            channels
            for distance in range(1, self.fc_groups + 1)
            for channels in (self.in_channels - distance, self.in_channels + distance)
            if channels > 0 and channels * prod(self.kernel) % self.fc_groups == 0
        )
        raise ValueError(
            f"in_channels: expected in_channels times {prod(self.kernel)} taps to be a multiple of "
            f"fc_groups={self.fc_groups}, received {self.in_channels} * {prod(self.kernel)} = "
            f"{taps}; the nearest width is {next(legal)}"
        )

    @property
    def depthwise_form(self) -> bool:
        """Whether each channel has a kernel of its own; one channel alone is a plain layer.

        Returns:
            True for more than one group.
        """
        return self.depthwise and self.groups > 1

    @property
    def copies(self) -> int:
        """Numbers that each tap is a sum over: M / G.

        Returns:
            A number of numbers.
        """
        return self.multiplier // self.fc_groups

    @property
    def segments(self) -> int:
        """Into how many parts the taps of a filter are cut, each with numbers of its own.

        Returns:
            A number of parts, `fc_groups` but for a depthwise convolution.
        """
        return 1 if self.depthwise_form else self.fc_groups

    @property
    def takes_shared(self) -> bool:
        return self.router == "shared"

    @property
    def vector_channels(self) -> int:
        """Numbers that both fully connected layers begin with.

        Returns:
            A number of channels.
        """
        if self.hidden_channels is not None:
            return self.hidden_channels
        return max(self.in_channels // self.reduction, self.min_channels)

    def reduce(self) -> ReduceSpec:
        """The mean and the layer behind it, of a layer or a block.

        Returns:
            Its spec, from the input channels to the vector.
        """
        return ReduceSpec(self.in_channels, self.vector_channels, self.rank)

    def fc1(self) -> ConvSpec:
        """The layer whose sigmoid gives the numbers of each filter.

        Returns:
            A 1x1 convolution with a bias.
        """
        numbers = self.out_channels * self.segments * self.copies
        return self._pointwise(self.vector_channels, numbers, bias=True)

    def fc2(self) -> ConvSpec:
        """The layer in groups that turns these numbers into taps.

        Returns:
            A 1x1 convolution without a bias.
        """
        groups = self.out_channels * self.segments
        return ConvSpec(
            in_channels=groups * self.copies,
            out_channels=prod(self.kernel_shape),
            kernel_size=1,
            groups=groups,
            rank=self.rank,
        )

    @property
    def fc1_deviation(self) -> float:
        """Of the start of `fc1`.

        Returns:
            The standard deviation of a normal distribution.
        """
        return 0.0 if self.head_init == "zero" else 1 / self.vector_channels

    @property
    def fc2_deviation(self) -> float:
        """Of the start of `fc2`: one over the taps of a group, as MegEngine counts its axes.

        Returns:
            The standard deviation of a normal distribution.
        """
        return self.out_channels * self.segments / prod(self.kernel_shape)

    @property
    def start_gain(self) -> float:
        """A tap over the sum of what it is made of, where `fc1` is zero: sigmoids are a half.

        Returns:
            A factor of the kernel.
        """
        return 0.5

    def own_parameters(self) -> tuple[Parameter, ...]:
        return self._bias()

    def attention_parameters(self) -> tuple[Parameter, ...]:
        reduce = () if self.takes_shared else under("reduce", self.reduce().parameters())
        return (
            *reduce,
            *under("wn_fc1", self.fc1().parameters()),
            *under("wn_fc2", self.fc2().parameters()),
        )

    def mixing_multiply_adds(self, inputs: int, outputs: int) -> int:
        fcs = sum(prod(fc.kernel_shape) for fc in (self.fc1(), self.fc2()))
        return fcs if self.takes_shared else self.reduce().multiply_adds(inputs) + fcs

    @classmethod
    def at(cls, site: Site, geometry: Mapping[str, Any], options: Mapping[str, Any]) -> ConvSpec:
        if site.shared is None:
            return super().at(site, geometry, options)
        shared = {"router": "shared", "hidden_channels": site.shared.out_channels}
        return super().at(site, geometry, {**options, **shared})

    @classmethod
    def shared_of_block(
        cls, site: Site, in_channels: int, options: Mapping[str, Any]
    ) -> ReduceSpec | None:
        width = max(in_channels // options["reduction"], options["min_channels"])
        return ReduceSpec(in_channels, width)

    @classmethod
    def infer_options(cls, shapes: Shapes) -> dict[str, Any]:
        """M and G are told by their ratio only: the published M, or the ratio where it is more."""
        layer = owners(shapes, cls.sign)[0]
        copies = dimension(shapes, f"{layer}wn_fc2.weight", 1)
        multiplier = copies if PUBLISHED_M % max(copies, 1) else PUBLISHED_M
        groups = multiplier // max(copies, 1)
        found = widths(shapes, "reduce.weight")
        return {"multiplier": multiplier, "fc_groups": groups, **_infer_reduction(found)}

    @classmethod
    def infer_geometry(cls, shapes: Shapes) -> dict[str, Any]:
        """Of a layer that is square, which no array tells."""
        if "reduce.weight" not in shapes:
            raise UnexplainedError(
                "wn_fc1 and wn_fc2 are of a WeightNet whose block has the `reduce`, so that no "
                "array tells its widths",
                help="give the whole network, or the layer's spec",
            )
        found = list(_readings(shapes, cls.infer_options(shapes)["fc_groups"]))
        if len(found) != 1:
            raise UnexplainedError(
                f"wn_fc1.weight {shapes['wn_fc1.weight']} and wn_fc2.weight "
                f"{shapes['wn_fc2.weight']} on {shapes['reduce.weight'][1]} channels are of "
                f"{'no' if not found else 'more than one'} WeightNet with square kernels",
                help="give the layer's spec",
            )
        return found[0]


def _readings(shapes: Shapes, fc_groups: int) -> Iterator[dict[str, Any]]:
    """The geometries of a plain and of a depthwise layer that have such arrays."""
    numbers, _, *ones = shapes["wn_fc1.weight"]
    channels, rank = dimension(shapes, "reduce.weight", 1), len(ones)
    copies = dimension(shapes, "wn_fc2.weight", 1)
    for groups, out in ((1, numbers // (fc_groups * copies)), (channels, channels)):
        taps, rest = divmod(shapes["wn_fc2.weight"][0], max(1, out * channels // groups))
        kernel = round(taps ** (1 / rank))
        depthwise = groups > 1
        expected = out * copies * (1 if depthwise else fc_groups)
        told = shapes.get("bias", (out,)) == (out,)
        if told and rest == 0 and kernel >= 1 and kernel**rank == taps and expected == numbers:
            yield {
                "in_channels": channels,
                "out_channels": out,
                "kernel_size": kernel,
                "groups": groups,
                "bias": "bias" in shapes,
                "rank": rank,
            }
        if channels == 1:
            return


def _infer_reduction(found: set[tuple[int, int]]) -> dict[str, int]:
    """`reduction` and `min_channels` that give every (width, hidden); the published ones first."""
    least = min((hidden for _, hidden in found), default=LEAST)
    ratios = sorted({width // hidden for width, hidden in found if 0 < hidden <= width})
    for minimum in (LEAST, least):
        for reduction in (REDUCTION, *ratios):
            if all(max(width // reduction, minimum) == hidden for width, hidden in found):
                return {"reduction": reduction, "min_channels": minimum}
    raise no_reduction(found, "max(width // reduction, min_channels)")
