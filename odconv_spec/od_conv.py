"""Omni-dimensional dynamic convolution, https://openreview.net/forum?id=DmpCfq6Mg39."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from odconv_spec.conv import ConvSpec
from odconv_spec.evidence import (
    Foreign,
    Shapes,
    Widths,
    dimension,
    no_reduction,
    owners,
    reduction_of,
    widths,
)
from odconv_spec.geometry import flag, one_of, real, whole
from odconv_spec.kernel_bank import KernelBankSpec
from odconv_spec.norm import LayerNormSpec, NormSpec
from odconv_spec.parameters import LAYER_NORM, Parameter, Role, under

ATTENTIONS = ("channel", "filter", "spatial", "kernel")
SPATIAL_ACTIVATIONS = ("sigmoid", "softmax")
TRUNK_NORMS = ("batch", "layer", "none")


@dataclass(frozen=True, kw_only=True)
class ODConvSpec(KernelBankSpec):
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

    Raises:
        ValueError: besides what every kernel bank raises, several kernels without the attention
        that weighs them, or an unknown attention, activation or norm.

    Example:
        >>> spec = ODConvSpec(in_channels=64, out_channels=48, kernel_size=3)
        >>> spec.bank_shape, spec.attention_channels
        ((4, 48, 64, 3, 3), 16)
        >>> spec.heads()
        {'channel_fc': 64, 'filter_fc': 48, 'spatial_fc': 9, 'kernel_fc': 4}
    """

    kind: ClassVar[str] = "od"
    # The published backbones are named by their multiple (1x, 4x) and default to one kernel, while
    # the published layer alone defaults to four.
    backbone_defaults: ClassVar[Mapping[str, Any]] = {"kernel_num": 1}
    mixer_roles: ClassVar[Mapping[str, tuple[Role, ...]]] = {"ln": LAYER_NORM}
    sign: ClassVar[str] = "attention.fc.weight"
    weigher: ClassVar[str] = "attention.kernel_fc"
    shown_by: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("reduction", "min_channels"), "attention.fc.weight"
    )

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
        """Hidden width of the attention.

        Returns:
            A number of channels.
        """
        return max(int(self.in_channels * self.reduction), self.min_channels)

    @property
    def copies(self) -> int:
        """Number of channel, filter and spatial attentions: one, or one for each kernel.

        Returns:
            A number of attentions.
        """
        return 1 if self.attention_sharing else self.kernel_num

    def heads(self) -> dict[str, int]:
        """Width of each attention head that exists; an absent one is the constant one.

        As in the published code: a depthwise layer has no filter head, a kernel of one tap has no
        spatial head, and a single kernel has no kernel head. Attentions of each kernel stand one
        kernel after the other.

        Returns:
            Path -> number of factors.
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
        """The squeeze that all heads share.

        Returns:
            A 1x1 convolution of the mean, without a bias.
        """
        return self._pointwise(self.in_channels, self.attention_channels, bias=False)

    def trunk_norm(self) -> tuple[str, NormSpec | LayerNormSpec] | None:
        """The attribute name of the trunk's norm, and the norm.

        Returns:
            A pair, None where the trunk has no norm.
        """
        if self.norm == "batch":
            return "bn", NormSpec(self.attention_channels)
        return ("ln", LayerNormSpec(self.attention_channels)) if self.norm == "layer" else None

    def head(self, name: str) -> ConvSpec:
        """A head of the attention.

        Args:
            name: a key of `heads`.

        Returns:
            The spec of a 1x1 convolution from the hidden width.
        """
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

    def mixing_multiply_adds(self, inputs: int, outputs: int) -> int:
        heads = self.heads()
        found = self.weighing_multiply_adds(inputs)
        found += self.in_channels * inputs * self.copies if "channel_fc" in heads else 0
        found += self.out_channels * outputs * self.copies if "filter_fc" in heads else 0
        found += prod(self.kernel_shape) * self.copies if "spatial_fc" in heads else 0
        return found + (prod(self.bank_shape) if "kernel_fc" in heads else 0)

    @classmethod
    def infer_options(cls, shapes: Shapes) -> dict[str, Any]:
        kernel_num = cls._infer_kernel_num(shapes)
        heads = [name for name in ATTENTIONS if owners(shapes, f"attention.{name}_fc.weight")]
        # A single kernel has no kernel head, whether it was asked for or not.
        single = ["kernel"] if kernel_num == 1 else []
        return {
            "kernel_num": kernel_num,
            "attentions": [*heads, *single],
            "attention_sharing": kernel_num == 1 or not _has_own_attentions(shapes, kernel_num),
            "norm": _infer_norm(shapes),
            **_infer_hidden(widths(shapes, "attention.fc.weight")),
        }

    @classmethod
    def foreign(cls, shapes: Shapes) -> Iterator[Foreign]:
        for head, owner in _heads(shapes):
            if f"{owner}fc.weight" not in shapes:
                yield Foreign(
                    "attention heads without the layer that they share",
                    "ODConv's heads read one squeezed vector, of fc and its norm",
                    head,
                )
        for head, _ in _heads(shapes):
            taps = shapes[head][2:]
            if any(size != 1 for size in taps):
                yield Foreign(
                    f"an attention that is a convolution with a kernel of {taps} over the map",
                    "ODConv's attentions read the mean of the map, by kernels of one tap",
                    head,
                )


def _infer_norm(shapes: Shapes) -> str:
    if owners(shapes, "attention.bn.weight"):
        return "batch"
    return "layer" if owners(shapes, "attention.ln.weight") else "none"


def _infer_hidden(found: Widths) -> dict[str, Any]:
    """`reduction` and `min_channels` that explain every hidden width: the published ones first."""
    for floor in sorted({16, min((h for _, h in found), default=16)}, reverse=True):
        reduction = reduction_of(found, floor)
        if reduction is not None:
            return {"reduction": reduction, "min_channels": floor}
    raise no_reduction(found, "max(int(width * reduction), min_channels)")


def _has_own_attentions(shapes: Shapes, kernel_num: int) -> bool:
    """Whether a head is `kernel_num` times as wide as what it scales."""
    return any(
        dimension(shapes, head, 0) == kernel_num * width for head, width in _scaled_widths(shapes)
    )


def _scaled_widths(shapes: Shapes) -> Iterator[tuple[str, int]]:
    """The weight of each head but those of the kernels, and how many numbers scale one kernel."""
    for layer in owners(shapes, "attention.channel_fc.weight"):
        trunk = f"{layer}attention.fc.weight"
        yield f"{layer}attention.channel_fc.weight", dimension(shapes, trunk, 1)
    for layer in owners(shapes, "attention.filter_fc.weight"):
        yield f"{layer}attention.filter_fc.weight", dimension(shapes, f"{layer}weight", 1)
    for layer in owners(shapes, "attention.spatial_fc.weight"):
        taps = shapes.get(f"{layer}weight", ())[3:]
        yield f"{layer}attention.spatial_fc.weight", prod(taps)


def _heads(shapes: Shapes) -> Iterator[tuple[str, str]]:
    """Each head's weight, and the path of the attention that it belongs to, with its last dot."""
    heads = {f"{name}_fc" for name in ATTENTIONS}
    for name in shapes:
        path, _, leaf = name.rpartition(".")
        owner, _, head = path.rpartition(".")
        if leaf == "weight" and head in heads:
            yield name, f"{owner}.".lstrip(".")


def _in_order(attentions: object) -> tuple[str, ...]:
    """The names without repetition, in the order of `ATTENTIONS`."""
    if isinstance(attentions, str) or not isinstance(attentions, Sequence):
        raise ValueError(f"attentions: expected some of {ATTENTIONS}, received {attentions!r}")
    for name in attentions:
        one_of("attentions", name, ATTENTIONS)
    return tuple(name for name in ATTENTIONS if name in attentions)
