"""Efficient channel attention, https://arxiv.org/abs/1910.03151."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log2
from typing import Any, ClassVar

from odconv_spec.conv import ConvSpec
from odconv_spec.evidence import Shapes, UnexplainedError
from odconv_spec.geometry import whole
from odconv_spec.parameters import Parameter
from odconv_spec.recalibration import RecalibrationSpec, axis_sizes, parameters_of


@dataclass(frozen=True, kw_only=True)
class EfficientChannelAttentionSpec(RecalibrationSpec):
    """Efficient channel attention, https://arxiv.org/abs/1910.03151.

    The channels' means are a sequence, and a sigmoid of a convolution along it scales the channels.
    `kernel_size` is its number of taps; None is the paper's rule for the channels, see
    `rule_of_the_paper`, by which none of the released checkpoints is made.

    Raises:
        ValueError: besides what every such layer raises, an even number of taps.

    Example:
        >>> EfficientChannelAttentionSpec(channels=256).kernel_size
        5
    """

    kind: ClassVar[str] = "eca"
    sign: ClassVar[str] = "conv.weight"
    roots: ClassVar[tuple[str, ...]] = ("conv.",)

    # As in the published code, where it is an argument of each stage.
    backbone_defaults: ClassVar[Mapping[str, Any]] = {"kernel_size": 3}

    kernel_size: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kernel_size is None:
            if self.channels is not None:
                self._normal("kernel_size", rule_of_the_paper(self.channels))
            return
        self._normal("kernel_size", whole("kernel_size", self.kernel_size, 1))
        if self.kernel_size % 2 == 0:
            raise ValueError(
                "kernel_size: expected an odd number, so that there is a factor for each channel, "
                f"received {self.kernel_size}"
            )

    def conv(self) -> ConvSpec:
        """The convolution along the channels.

        Returns:
            Its spec, over one axis and one channel.
        """
        taps = rule_of_the_paper(self.width) if self.kernel_size is None else self.kernel_size
        return ConvSpec(in_channels=1, out_channels=1, kernel_size=taps, padding=taps // 2, rank=1)

    def parameters(self) -> tuple[Parameter, ...]:
        return parameters_of({"conv": self.conv()})

    def multiply_adds(self, positions: int) -> int:
        return self.width * (2 * positions + self.conv().kernel[0])

    @classmethod
    def shows(cls, shapes: Shapes) -> bool:
        # Every other convolution has more channels than one, or more axes.
        return super().shows(shapes) and tuple(shapes[cls.sign][:-1]) == (1, 1)

    @classmethod
    def infer_options(cls, layers: Sequence[Shapes]) -> dict[str, Any]:
        taps = {axis_sizes(shapes, cls.sign, 3)[2] for shapes in layers}
        if len(taps) != 1:
            raise UnexplainedError(f"the layers have different numbers of taps: {sorted(taps)}")
        return {"kernel_size": taps.pop()}

    @classmethod
    def infer_stage_options(cls, stages: Sequence[Sequence[Shapes]]) -> dict[str, Any]:
        taps = [cls.infer_options(layers)["kernel_size"] for layers in stages]
        return {"kernel_size": taps[0] if len(set(taps)) == 1 else tuple(taps)}

    @classmethod
    def infer_channels(cls, shapes: Shapes) -> None:
        return None  # the kernel has the same shape for all


def rule_of_the_paper(channels: int) -> int:
    """|log2(channels) / 2 + 1/2|_odd, the next odd number above, at least 3.

    Example:
        >>> [rule_of_the_paper(channels) for channels in (64, 512, 2048)]
        [3, 5, 7]
    """
    taps = int((log2(channels) + 1) / 2)
    return max(taps if taps % 2 else taps + 1, 3)
