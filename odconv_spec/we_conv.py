"""Weight excitation, of "Weight Excitation: Built-in Attention Mechanisms in CNNs" (ECCV 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from odconv_spec.conv import ConvSpec
from odconv_spec.dynamic import DynamicConvSpec
from odconv_spec.evidence import Shapes, UnexplainedError, Widths, dimension, owners
from odconv_spec.geometry import flag, one_of, whole
from odconv_spec.kernel_bank import HEAD_INITS
from odconv_spec.parameters import Parameter, under
from odconv_spec.recalibration import infer_reduction

EPSILON = 1e-5  # beside the standard deviation of a filter
MARGIN = 1.1  # the limit of magnitudes over the largest one


@dataclass(frozen=True, kw_only=True)
class WEConvSpec(DynamicConvSpec):
    """A convolution whose kernel is made of its weight in each call, the same for all samples.

    In this order: `standardize` gives each filter mean zero and deviation one; `location`, LWE,
    scales the input channels of each filter by a sigmoid of two layers on its means over the taps;
    `magnitude`, MWE, stretches large weights, M * arctanh(w / M) with M = 1.1 * max |w|.

    `reduction` gives the hidden width of the two layers, in // reduction, at least 1; `head_init`
    is "published" or starts them "zero", where all factors are one half. The defaults are what the
    only public code does, which calls itself unofficial.

    Raises:
        ValueError: besides what every convolution raises, none of the three, or a deviation of
        filters of one weight.

    Example:
        >>> spec = WEConvSpec(in_channels=32, out_channels=6, kernel_size=3)
        >>> [(p.name, p.shape) for p in spec.parameters()][:3]
        [('weight', (6, 32, 3, 3)), ('fc1.weight', (2, 32, 1, 1)), ('fc1.bias', (2,))]
    """

    kind: ClassVar[str] = "we"
    parts: ClassVar[frozenset[str]] = frozenset({"stem", "block", "shortcut", "last"})
    families: ClassVar[frozenset[str] | None] = frozenset({"resnet"})
    sign: ClassVar[str] = "fc1.weight"
    shown_by: ClassVar[Mapping[str, str]] = dict.fromkeys(("location", "reduction"), "fc1.weight")

    standardize: bool = False
    location: bool = True
    magnitude: bool = False
    reduction: int = 16
    head_init: str = "published"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("standardize", "location", "magnitude"):
            flag(name, getattr(self, name))
        self._normal("reduction", whole("reduction", self.reduction, 1))
        one_of("head_init", self.head_init, HEAD_INITS)
        if not (self.standardize or self.location or self.magnitude):
            raise ValueError(
                "location: expected True, or magnitude=True or standardize=True, received False "
                "for all three, which is a static convolution"
            )
        if self.standardize and prod(self.kernel_shape[1:]) == 1:
            raise ValueError(
                "standardize: expected False for filters of a single weight, which have no "
                f"deviation, received True with in_channels={self.in_channels}, "
                f"groups={self.groups}, kernel_size={self.kernel}"
            )

    @property
    def hidden_channels(self) -> int:
        """Width between the two layers, of all input channels, not of those of a group.

        Returns:
            A number of channels.
        """
        return max(self.in_channels // self.reduction, 1)

    def fc1(self) -> ConvSpec:
        """The first layer, which sees each filter as a sample; `fc2` is the second.

        Returns:
            A 1x1 convolution with a bias.
        """
        return self._pointwise(self.kernel_shape[1], self.hidden_channels, bias=True)

    def fc2(self) -> ConvSpec:
        """The second layer, back to the input channels of a filter.

        Returns:
            A 1x1 convolution with a bias.
        """
        return self._pointwise(self.hidden_channels, self.kernel_shape[1], bias=True)

    def static(self) -> ConvSpec:
        """The spec of the convolution with the kernel that is made of the weight.

        Returns:
            A spec of the same geometry.
        """
        return ConvSpec(
            in_channels=self.in_channels,
            out_channels=self.out_channels,
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
            bias=self.bias,
            rank=self.rank,
        )

    def check_static_start(self) -> None:
        if self.standardize:
            raise ValueError(
                "standardize: expected False, received True; every filter would have mean zero and "
                "deviation one, whatever the static convolution has"
            )
        if self.location:  # which alone has a head
            super().check_static_start()

    def attention_parameters(self) -> tuple[Parameter, ...]:
        if not self.location:
            return ()
        return under("fc1", self.fc1().parameters()) + under("fc2", self.fc2().parameters())

    @classmethod
    def shows(cls, shapes: Shapes) -> bool:
        """Whether a layer has LWE; the other two leave no trace.

        Other layers are called fc1, too, but stand in no layer that has a kernel itself.
        """
        return bool(_excited(shapes))

    @classmethod
    def is_lone(cls, shapes: Shapes) -> bool:
        return "" in _excited(shapes)

    @classmethod
    def infer_options(cls, shapes: Shapes) -> dict[str, Any]:
        found: Widths = {_widths(shapes, layer) for layer in _excited(shapes)}
        options = infer_reduction(found, usual=16)
        if "reduction" not in options:
            raise UnexplainedError(
                "no reduction explains the hidden widths of LWE: (in, hidden) "
                f"{sorted(found)[:6]}; expected hidden = in // reduction, at least 1",
                help="no array shows the groups of a layer, which are taken to be 1, or as many as "
                "channels; others need a manifest, --model net.json",
            )
        return options

    @classmethod
    def infer_geometry(cls, shapes: Shapes) -> dict[str, Any]:
        out, in_group, *taps = shapes["weight"]
        channels, _ = _widths(shapes, "")
        return {
            "in_channels": channels,
            "out_channels": out,
            "kernel_size": tuple(taps),
            "groups": channels // in_group,
            "bias": "bias" in shapes,
            "rank": len(taps),
        }


def _excited(shapes: Shapes) -> list[str]:
    """The layers with LWE, each as what stands before the names of its arrays."""
    return [o for o in owners(shapes, WEConvSpec.sign) if _reads(shapes, f"{o}weight", f"{o}fc1")]


def _reads(shapes: Shapes, kernel: str, fc1: str) -> bool:
    """Whether a layer without taps reads as many channels as each filter of a kernel has."""
    weight, first = shapes.get(kernel, ()), shapes[f"{fc1}.weight"]
    same = len(weight) == len(first) > 2 and weight[1] == first[1] > 0
    return same and prod(first[2:]) == 1


def _widths(shapes: Shapes, layer: str) -> tuple[int, int]:
    """(in, hidden) of a layer: a single channel that several hidden ones read is a group's."""
    out, in_group = shapes[f"{layer}weight"][:2]
    hidden = dimension(shapes, f"{layer}{WEConvSpec.sign}", 0)
    return (out if in_group == 1 and hidden > 1 else in_group), hidden
