"""Layers of the backbones that are timed."""

from __future__ import annotations

from dataclasses import dataclass

from odconv_spec import ConvSpec, ODConvSpec


@dataclass(frozen=True)
class Shape:
    """A layer and its input: `size` is the height and the width of the map."""

    batch: int
    in_channels: int
    out_channels: int
    size: int
    kernel_size: int
    kernel_num: int
    depthwise: bool = False

    def static(self) -> ConvSpec:
        return ConvSpec(**self._geometry())

    def dynamic(self) -> ODConvSpec:
        return ODConvSpec(**self._geometry(), kernel_num=self.kernel_num)

    def _geometry(self) -> dict[str, int]:
        return {
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
            "kernel_size": self.kernel_size,
            "padding": self.kernel_size // 2,
            "groups": self.in_channels if self.depthwise else 1,
        }

    def __str__(self) -> str:
        groups = " depthwise" if self.depthwise else ""
        return (
            f"{self.kernel_num} x {self.in_channels}->{self.out_channels} "
            f"{self.kernel_size}x{self.kernel_size}{groups}, map {self.size}, batch {self.batch}"
        )


SHAPES = (
    Shape(8, 64, 64, 56, 3, 1),
    Shape(8, 64, 64, 56, 3, 4),
    Shape(8, 256, 256, 14, 3, 4),
    Shape(8, 512, 512, 7, 3, 4),
    Shape(8, 256, 64, 56, 1, 4),
    Shape(8, 192, 192, 28, 3, 4, depthwise=True),
    Shape(1, 512, 512, 7, 3, 4),
)
