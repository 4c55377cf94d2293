"""What the toys are made of. As every spec, this knows no framework."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count, takewhile
from typing import Any, ClassVar

from odconv_spec import BackboneSpec, ConvSpec, FeatureInfo, KernelBankSpec, LinearSpec, Parameter
from odconv_spec.backbone import Size
from odconv_spec.block import conv_norm
from odconv_spec.evidence import Shapes, dimension, possible
from odconv_spec.parameters import LINEAR, Role, under
from odconv_spec.site import Site


@dataclass(frozen=True, kw_only=True)
class ToyConvSpec(KernelBankSpec):
    """Kernels and biases are mixed by a softmax of one linear layer on the mean of the input."""

    kind: ClassVar[str] = "toy"
    mixer: ClassVar[str] = "gate"
    mixer_roles: ClassVar[Mapping[str, tuple[Role, ...]]] = {"fc": LINEAR}
    sign: ClassVar[str] = "gate.fc.weight"
    weigher: ClassVar[str] = "gate.fc"

    def gate(self) -> LinearSpec:
        return LinearSpec(self.in_channels, self.kernel_num)

    @property
    def start_gain(self) -> float:
        return 1.0

    def attention_parameters(self) -> tuple[Parameter, ...]:
        return under("gate.fc", self.gate().parameters())


@dataclass(frozen=True)
class ToyBlockSpec:
    """A convolution and a batch normalisation."""

    name: str
    conv: ConvSpec

    def parameters(self) -> tuple[Parameter, ...]:
        return under(self.name, conv_norm("mix", "norm", self.conv))


@dataclass(frozen=True, kw_only=True)
class ToyNetSpec(BackboneSpec):
    """A stem and a block for each of `widths`; every convolution halves the map."""

    family: ClassVar[str] = "toynet"
    title: ClassVar[str] = "ToyNet"
    published: ClassVar[Mapping[str, Mapping[str, Any]]] = {"toynet": {"widths": (8, 12)}}
    stem_path: ClassVar[str] = "stem"
    head_path: ClassVar[str] = "head"
    sign: ClassVar[str] = "blocks.0.mix.weight"

    widths: tuple[int, ...] = (8, 12)

    @property
    def stem(self) -> ConvSpec:
        geometry = {"kernel_size": 3, "stride": 2, "padding": 1}
        return ConvSpec(in_channels=self.in_channels, out_channels=self.widths[0], **geometry)

    @property
    def num_features(self) -> int:
        return self.widths[-1]

    def feature_info(self) -> tuple[FeatureInfo, ...]:
        stem = FeatureInfo("stem", self.widths[0], 2)
        blocks = (
            FeatureInfo(f"blocks.{index}", width, 2 ** (index + 2))
            for index, width in enumerate(self.widths)
        )
        return (stem, *blocks)

    def blocks(self) -> Iterator[ToyBlockSpec]:
        channels = self.widths[0]
        for index, width in enumerate(self.widths):
            site = Site(self.family, "block", "toy", index, len(self.widths) - index - 1)
            geometry = {"kernel_size": 3, "stride": 2, "padding": 1}
            conv = self.conv.at(site, in_channels=channels, out_channels=width, **geometry)
            yield ToyBlockSpec(f"blocks.{index}", conv)
            channels = width

    def maps(self, size: Size) -> Iterator[tuple[ConvSpec | LinearSpec, Size]]:
        for conv in (self.stem, *(block.conv for block in self.blocks())):
            yield conv, size
            size = conv.output_size(size)
        if self.head:
            yield self.head, (1, 1)

    def parameters(self) -> tuple[Parameter, ...]:
        found = conv_norm(self.stem_path, "stem_norm", self.stem)
        for block in self.blocks():
            found += block.parameters()
        return found + self.head_parameters()

    @classmethod
    def from_arrays(cls, shapes: Shapes, **untold: Any) -> ToyNetSpec:
        names = (f"blocks.{index}.norm.weight" for index in count())
        widths = tuple(dimension(shapes, n, 0) for n in takewhile(shapes.__contains__, names))
        common = cls._infer_common(shapes)
        with possible():
            return cls(**common, widths=widths)
