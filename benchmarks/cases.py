"""What is measured: a layer or a network, one kind of convolution, one mode, one batch size.

Or the conversion of a network's checkpoint to one format.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from odconv_spec import BackboneSpec, ConvChoice, ConvSpec, model_spec

STATIC, PUBLISHED, OURS = VARIANTS = ("static", "published", "ours")
# The same networks with channels last in memory, where the framework leaves that to its user.
STATIC_LAST, OURS_LAST = IN_CHANNELS_LAST = ("static channels_last", "ours channels_last")
# Other people's code: the official networks, or a layer that circulates.
OFFICIAL_STATIC, OFFICIAL = ELSEWHERE = ("official static", "official")
COMPILED = "compiled"  # ours, by the compiler of the framework
LOAD_AND_SAVE = "torch"  # of a checkpoint, by torch
ENDINGS = (".pth", ".safetensors", ".npz", ".pdparams", ".weights.h5")
INFERENCE, TRAINING = MODES = ("inference", "training")
(
    LAYERS,
    NETWORKS,
    METHODS,
    MEMORY,
    SCALING,
    COMPILERS,
    CONVERSIONS,
    OFFICIAL_CODE,
) = GROUPS = (
    "layers",
    "networks",
    "methods",
    "memory",
    "scaling",
    "compilers",
    "conversions",
    "official",
)


@dataclass(frozen=True)
class Layer:
    """A convolution of a backbone; `size` is the height and the width of its input."""

    in_channels: int
    out_channels: int
    size: int
    kernel: int = 3
    stride: int = 1
    depthwise: bool = False

    def spec(self, kind: str, **options: Any) -> ConvSpec:
        return ConvChoice.of(kind, **options)(
            in_channels=self.in_channels,
            out_channels=self.out_channels,
            kernel_size=self.kernel,
            stride=self.stride,
            padding=self.kernel // 2,
            groups=self.in_channels if self.depthwise else 1,
        )

    def __str__(self) -> str:
        """Such as "64-64-56-3x3": channels in and out, size of the map, kernel."""
        name = f"{self.in_channels}-{self.out_channels}-{self.size}-{self.kernel}x{self.kernel}"
        step = f"-stride{self.stride}" if self.stride > 1 else ""
        return f"{name}{'-depthwise' if self.depthwise else ''}{step}"


@dataclass(frozen=True)
class Network:
    """A backbone by the name of its static form."""

    name: str
    size: int = 224
    in_channels: int = 3

    def spec(self, kind: str, **options: Any) -> BackboneSpec:
        return model_spec(self.name if kind == "static" else f"{kind}_{self.name}", **options)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Case:
    """One comparison of some variants of the same thing.

    Attributes:
        group: one of `GROUPS`.
        subject: what is run.
        kind: what the names of its models begin with, such as "od".
        kernel_num: kernels that are mixed; None where the kind mixes none.
        mode: one of `MODES`; of a conversion, one of `ENDINGS`.
        batch: samples in a run, 0 of a conversion.
        variants: some of `VARIANTS`, `IN_CHANNELS_LAST`, `ELSEWHERE`, `COMPILED` or
            `LOAD_AND_SAVE`; where time is short the published one is left out.
    """

    group: str
    subject: Layer | Network
    kind: str
    kernel_num: int | None
    mode: str
    batch: int
    variants: tuple[str, ...] = VARIANTS

    @property
    def id(self) -> str:
        conv = self.kind if self.kernel_num is None else f"{self.kind}-{self.kernel_num}x"
        batch = f"/batch-{self.batch}" if self.batch else ""
        return f"{self.group}/{self.subject}/{conv}/{self.mode}{batch}"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(batch, in, height, width)"""
        subject = self.subject
        return (self.batch, subject.in_channels, subject.size, subject.size)

    def spec(self, variant: str) -> ConvSpec | BackboneSpec:
        if variant in (STATIC, STATIC_LAST, OFFICIAL_STATIC):
            return self.subject.spec("static")
        options = {} if self.kernel_num is None else {"kernel_num": self.kernel_num}
        return self.subject.spec(self.kind, **options)
