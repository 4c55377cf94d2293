"""Convolutional block attention, https://arxiv.org/abs/1807.06521."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from odconv_spec.conv import MOST_AXES, ConvSpec
from odconv_spec.evidence import Shapes
from odconv_spec.geometry import flag, whole
from odconv_spec.linear import LinearSpec
from odconv_spec.norm import NormSpec
from odconv_spec.parameters import Parameter
from odconv_spec.recalibration import (
    RecalibrationSpec,
    axis_sizes,
    hidden_width,
    hidden_widths,
    infer_reduction,
    parameters_of,
)

_MLP = "ChannelGate.mlp"
_SPATIAL = "SpatialGate.spatial"


@dataclass(frozen=True, kw_only=True)
class CBAMSpec(RecalibrationSpec):
    """Convolutional block attention, https://arxiv.org/abs/1807.06521.

    First a channel gate: two linear layers see the map's mean and its maximum over space, and a
    sigmoid of the sum of both results scales the channels. Then a spatial gate, if `spatial`: a
    convolution of `kernel_size` taps along each of the `rank` axes sees the maximum and the mean
    over the channels, in this order, and a sigmoid of its normalised result scales the positions.
    The linear layers have biases in the published code (`mlp_bias`); the sizes that ODConv's paper
    prints are those without.

    Raises:
        ValueError: besides what every such layer raises, an even kernel, or another rank than 1, 2
        or 3.

    Example:
        >>> CBAMSpec(channels=64).parameters()[4].shape
        (1, 2, 7, 7)
    """

    kind: ClassVar[str] = "cbam"
    sign: ClassVar[str] = f"{_MLP}.1.weight"
    roots: ClassVar[tuple[str, ...]] = ("ChannelGate.", "SpatialGate.")
    linear: ClassVar[tuple[str, ...]] = (f"{_MLP}.1", f"{_MLP}.3")

    placed: ClassVar[frozenset[str]] = frozenset({"rank"})

    reduction: int = 16
    hidden_channels: int | None = None
    mlp_bias: bool = True
    spatial: bool = True
    kernel_size: int = 7
    rank: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("reduction", "kernel_size", "rank"):
            self._normal(name, whole(name, getattr(self, name), 1))
        if self.hidden_channels is not None:
            self._normal("hidden_channels", whole("hidden_channels", self.hidden_channels, 1))
        flag("mlp_bias", self.mlp_bias)
        flag("spatial", self.spatial)
        if self.kernel_size % 2 == 0:
            raise ValueError(
                "kernel_size: expected an odd number, so that the gate has the size of the map, "
                f"received {self.kernel_size}"
            )
        if self.rank > MOST_AXES:
            raise ValueError(f"rank: expected 1, 2 or 3 spatial axes, received {self.rank}")

    def squeeze(self) -> LinearSpec:
        """The first of the two layers of the channel gate; `excite` is the second.

        Returns:
            From the width of the map to the hidden width.
        """
        hidden = hidden_width(self.width, self.reduction, self.hidden_channels)
        return LinearSpec(self.width, hidden, self.mlp_bias)

    def excite(self) -> LinearSpec:
        """The second of the two layers of the channel gate.

        Returns:
            From the hidden width to the width of the map.
        """
        return LinearSpec(self.squeeze().out_channels, self.width, self.mlp_bias)

    def spatial_conv(self) -> ConvSpec:
        """The convolution of the spatial gate, whose norm is `spatial_norm`.

        Returns:
            From two channels, the maximum and the mean, to one.
        """
        return ConvSpec(
            in_channels=2,
            out_channels=1,
            kernel_size=self.kernel_size,
            padding=self.kernel_size // 2,
            rank=self.rank,
        )

    def spatial_norm(self) -> NormSpec:
        """The batch normalisation behind `spatial_conv`.

        Returns:
            The spec, of one channel.
        """
        return NormSpec(1, momentum=0.01)  # as published, where all other norms have 0.1

    def parameters(self) -> tuple[Parameter, ...]:
        layers = {f"{_MLP}.1": self.squeeze(), f"{_MLP}.3": self.excite()}
        gate = {f"{_SPATIAL}.conv": self.spatial_conv(), f"{_SPATIAL}.bn": self.spatial_norm()}
        return parameters_of({**layers, **(gate if self.spatial else {})})

    def multiply_adds(self, positions: int) -> int:
        fc1 = self.squeeze()
        # Two layers, which the mean and the maximum pass; a mean and a scaling for each gate.
        layers = 2 * 2 * fc1.in_channels * fc1.out_channels
        gate = 2 * self.width * positions
        if not self.spatial:
            return layers + gate
        taps: int = 2 * self.kernel_size**self.rank
        return layers + 2 * gate + taps * positions

    @classmethod
    def infer_options(cls, layers: Sequence[Shapes]) -> dict[str, Any]:
        options = infer_reduction(hidden_widths(layers, cls.sign), usual=16)
        options["mlp_bias"] = any(f"{_MLP}.1.bias" in shapes for shapes in layers)
        kernels = (shapes.get(f"{_SPATIAL}.conv.weight", ()) for shapes in layers)
        kernel = max(kernels, key=len, default=())
        if len(kernel) > 2:  # (1, 2, *kernel)
            return {**options, "kernel_size": kernel[2], "rank": len(kernel) - 2}
        return {**options, "spatial": False}

    @classmethod
    def infer_channels(cls, shapes: Shapes) -> int:
        return axis_sizes(shapes, cls.sign, 2)[1]
