"""Omni-dimensional dynamic convolution, https://openreview.net/forum?id=DmpCfq6Mg39."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from odconv_spec.dynamic import DynamicConvSpec
from odconv_spec.geometry import flag, one_of, real, whole
from odconv_spec.layers import ConvSpec, LayerNormSpec, NormSpec
from odconv_spec.parameters import Parameter, under

ATTENTIONS = ("channel", "filter", "spatial", "kernel")
SPATIAL_ACTIVATIONS = ("sigmoid", "softmax")
TRUNK_NORMS = ("batch", "layer", "none")


@dataclass(frozen=True, kw_only=True)
class ODConvSpec(DynamicConvSpec):
    """Omni-dimensional dynamic convolution, https://openreview.net/forum?id=DmpCfq6Mg39.

    `kernel_num` kernels are mixed for each sample, and their input channels, output channels and
    taps are scaled, by attentions computed from the sample's mean over space.

    `reduction` and `min_channels` give the hidden width of the attention; `head_init` is "zero"
    (the layer starts as a plain convolution) or "published" (Kaiming normal). `bias`, which the
    published layer does not have, is added after the filter attention.

    The rest are the variants that the paper compares: `attentions` which of the four exist,
    `spatial_activation` whether taps pass a sigmoid or compete in a softmax, `attention_sharing`
    whether all kernels share their channel, filter and spatial attention or have their own, and
    `norm` of the trunk, over the batch, over each sample's channels, or none.
    """

    reduction: float = 0.0625
    min_channels: int = 16
    attentions: Sequence[str] = ATTENTIONS
    spatial_activation: str = "sigmoid"
    attention_sharing: bool = True
    norm: str = "batch"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._normal("min_channels", whole("min_channels", self.min_channels, 1))
        self._normal("attentions", _in_order(self.attentions))
        one_of("spatial_activation", self.spatial_activation, SPATIAL_ACTIVATIONS)
        one_of("norm", self.norm, TRUNK_NORMS)
        flag("attention_sharing", self.attention_sharing)
        real("reduction", self.reduction, 0, 1)
        if self.kernel_num > 1 and "kernel" not in self.attentions:
            raise ValueError(
                f"attentions: expected 'kernel' beside kernel_num={self.kernel_num}, received "
                f"{self.attentions}; add 'kernel', or give kernel_num=1"
            )

    @property
    def mixes_biases(self) -> bool:
        return False

    @property
    def attention_channels(self) -> int:
        """Hidden width of the attention."""
        return max(int(self.in_channels * self.reduction), self.min_channels)

    @property
    def copies(self) -> int:
        """Number of channel, filter and spatial attentions: one, or one for each kernel."""
        return 1 if self.attention_sharing else self.kernel_num

    def heads(self) -> dict[str, int]:
        """Width of each attention head that exists; an absent one is the constant one.

        As in the published code: a depthwise layer has no filter head, a kernel of one tap has no
        spatial head, and a single kernel has no kernel head. Attentions of each kernel stand one
        kernel after the other.
        """
        widths = {"channel": self.in_channels * self.copies}
        if not self.depthwise:
            widths["filter"] = self.out_channels * self.copies
        if prod(self.kernel) > 1:
            widths["spatial"] = prod(self.kernel) * self.copies
        if self.kernel_num > 1:
            widths["kernel"] = self.kernel_num
        return {f"{name}_fc": width for name, width in widths.items() if name in self.attentions}

    def trunk(self) -> ConvSpec:
        """The squeeze that all heads share."""
        return self._pointwise(self.in_channels, self.attention_channels, bias=False)

    def trunk_norm(self) -> tuple[str, NormSpec | LayerNormSpec] | None:
        """The attribute name of the trunk's norm, and the norm."""
        if self.norm == "batch":
            return "bn", NormSpec(self.attention_channels)
        return ("ln", LayerNormSpec(self.attention_channels)) if self.norm == "layer" else None

    def head(self, name: str) -> ConvSpec:
        return self._pointwise(self.attention_channels, self.heads()[name], bias=True)

    @property
    def start_gain(self) -> float:
        gain = 1.0
        for name in self.heads():
            softmax = name == "spatial_fc" and self.spatial_activation == "softmax"
            if name != "kernel_fc":  # its softmax adds up to one
                gain *= 1 / prod(self.kernel) if softmax else 0.5
        return gain

    def attention_parameters(self) -> tuple[Parameter, ...]:
        """None at all where no head exists."""
        if not self.heads():
            return ()
        found = under("fc", self.trunk().parameters())
        if named := self.trunk_norm():
            found += under(named[0], named[1].parameters())
        for name in self.heads():
            found += under(name, self.head(name).parameters())
        return under("attention", found)


def _in_order(attentions: object) -> tuple[str, ...]:
    """The names without repetition, in the order of `ATTENTIONS`."""
    if isinstance(attentions, str) or not isinstance(attentions, Sequence):
        raise ValueError(f"attentions: expected some of {ATTENTIONS}, received {attentions!r}")
    for name in attentions:
        one_of("attentions", name, ATTENTIONS)
    return tuple(name for name in ATTENTIONS if name in attentions)
