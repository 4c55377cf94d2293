"""WeightNet, https://arxiv.org/abs/2007.11823, whose kernels a layer of the input's mean makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from odconv_spec import weight_net_evidence
from odconv_spec.conv import ConvSpec
from odconv_spec.dynamic import DynamicConvSpec
from odconv_spec.evidence import Shapes
from odconv_spec.geometry import one_of, whole
from odconv_spec.kernel_bank import HEAD_INITS
from odconv_spec.parameters import Parameter, under
from odconv_spec.site import Site
from odconv_spec.weight_net import ReduceSpec
from odconv_spec.weight_net_evidence import LEAST, PUBLISHED_M, REDUCTION

ROUTERS = ("own", "shared")


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
    sign: ClassVar[str] = weight_net_evidence.NUMBERS
    shown_by: ClassVar[Mapping[str, str]] = {
        "multiplier": weight_net_evidence.TAPS,
        "fc_groups": weight_net_evidence.TAPS,
        "reduction": weight_net_evidence.REDUCE,
        "min_channels": weight_net_evidence.REDUCE,
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
        return weight_net_evidence.options(shapes)

    @classmethod
    def infer_geometry(cls, shapes: Shapes) -> dict[str, Any]:
        return weight_net_evidence.geometry(shapes)
