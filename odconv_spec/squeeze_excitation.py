"""Squeeze-and-excitation, https://arxiv.org/abs/1709.01507."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from odconv_spec.evidence import Shapes
from odconv_spec.geometry import flag, whole
from odconv_spec.linear import LinearSpec
from odconv_spec.parameters import Parameter
from odconv_spec.recalibration import (
    RecalibrationSpec,
    axis_sizes,
    hidden_width,
    hidden_widths,
    infer_reduction,
    parameters_of,
)


@dataclass(frozen=True, kw_only=True)
class SqueezeExcitationSpec(RecalibrationSpec):
    """Squeeze-and-excitation, https://arxiv.org/abs/1709.01507.

    A sigmoid of two linear layers on the map's mean scales its channels. The hidden width is
    channels // `reduction`, or `hidden_channels`. The sizes that are printed for SE-ResNets are
    those without biases; the official networks in Caffe have them.

    Example:
        >>> [(p.name, p.shape) for p in SqueezeExcitationSpec(channels=64).parameters()]
        [('fc.0.weight', (4, 64)), ('fc.2.weight', (64, 4))]
    """

    kind: ClassVar[str] = "se"
    sign: ClassVar[str] = "fc.0.weight"
    roots: ClassVar[tuple[str, ...]] = ("fc.",)
    linear: ClassVar[tuple[str, ...]] = ("fc.0", "fc.2")

    reduction: int = 16
    hidden_channels: int | None = None
    bias: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._normal("reduction", whole("reduction", self.reduction, 1))
        if self.hidden_channels is not None:
            self._normal("hidden_channels", whole("hidden_channels", self.hidden_channels, 1))
        flag("bias", self.bias)

    def squeeze(self) -> LinearSpec:
        """The first of the two layers; `excite` is the second.

        Returns:
            From the width of the map to the hidden width.
        """
        hidden = hidden_width(self.width, self.reduction, self.hidden_channels)
        return LinearSpec(self.width, hidden, self.bias)

    def excite(self) -> LinearSpec:
        """The second of the two layers.

        Returns:
            From the hidden width to the width of the map.
        """
        return LinearSpec(self.squeeze().out_channels, self.width, self.bias)

    def parameters(self) -> tuple[Parameter, ...]:
        return parameters_of({"fc.0": self.squeeze(), "fc.2": self.excite()})

    @classmethod
    def infer_options(cls, layers: Sequence[Shapes]) -> dict[str, Any]:
        widths = hidden_widths(layers, cls.sign)
        bias = any("fc.0.bias" in shapes for shapes in layers)
        return {"bias": bias, **infer_reduction(widths, usual=16)}

    @classmethod
    def infer_channels(cls, shapes: Shapes) -> int:
        return axis_sizes(shapes, cls.sign, 2)[1]
