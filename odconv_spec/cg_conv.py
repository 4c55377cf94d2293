"""Context-gated convolution, https://arxiv.org/abs/1910.05577."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from odconv_spec.dynamic import DynamicConvSpec
from odconv_spec.evidence import Shapes, UnexplainedError, dimension
from odconv_spec.geometry import one_of
from odconv_spec.kernel_bank import HEAD_INITS
from odconv_spec.linear import LinearSpec
from odconv_spec.norm import NormSpec
from odconv_spec.parameters import Parameter, under
from odconv_spec.site import Site

_MIXED = 16  # channels that the channel interaction mixes with each other


@dataclass(frozen=True, kw_only=True)
class CGConvSpec(DynamicConvSpec):
    """Context-gated convolution, https://arxiv.org/abs/1910.05577.

    Each value of the kernel is multiplied by a gate between 0 and 1 that is computed from the
    sample: one for each tap, input channel and output channel. As published, a kernel of one tap
    has no gate: such a layer is a plain convolution.

    `head_init` is "published" (the linear layers start as those of PyTorch), or "zero", with which
    all gates start at a half.

    Raises:
        ValueError: also where the channel interaction cannot have the widths: it mixes sixteen
            input channels with each other, or all of fewer, by one matrix for all sixteens.

    Example:
        >>> CGConvSpec(in_channels=64, out_channels=32, kernel_size=3).interaction()
        LinearSpec(in_channels=16, out_channels=8, bias=False)
    """

    kind: ClassVar[str] = "cgc"
    parts: ClassVar[frozenset[str]] = frozenset({"stem", "block", "last"})
    sign: ClassVar[str] = "gd2.weight"
    linear: ClassVar[tuple[str, ...]] = ("ce", "ci", "gd", "gd2")
    families: ClassVar[frozenset[str] | None] = frozenset({"resnet"})  # others have groups

    head_init: str = "published"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("head_init", self.head_init, HEAD_INITS)
        if self.gated:
            self._check_widths()

    def _check_widths(self) -> None:
        if self.groups != 1:
            raise ValueError(
                "groups: expected 1, because a gate is for each pair of an input and an output "
                f"channel, received {self.groups}"
            )
        if self.in_channels > _MIXED and self.in_channels % _MIXED:
            raise ValueError(
                f"in_channels: expected at most {_MIXED} or a multiple of {_MIXED}, which are "
                f"mixed with each other, received {self.in_channels}; next to it: "
                f"{_multiples_beside(self.in_channels, _MIXED)}"
            )
        if self.out_channels % self.sixteens:
            raise ValueError(
                f"out_channels: expected a multiple of {self.sixteens}, because each "
                f"{_MIXED} of in_channels={self.in_channels} make as many of them, received "
                f"{self.out_channels}; next to it: "
                f"{_multiples_beside(self.out_channels, self.sixteens)}"
            )

    @property
    def gated(self) -> bool:
        """Whether the kernel has more than one tap, without which there is no gate.

        Returns:
            True where there are gates.
        """
        return self.taps > 1

    @property
    def taps(self) -> int:
        """Taps of the kernel, which is the size of the map that the gate is computed from.

        Returns:
            The product of the kernel's extents.
        """
        return prod(self.kernel)

    @property
    def latent(self) -> int:
        """Numbers that describe the map of each channel.

        Returns:
            A number of hidden units.
        """
        return self.taps // 2 + 1

    @property
    def mixed(self) -> int:
        """Input channels that are mixed with each other.

        Returns:
            A number of channels, 16 at most.
        """
        return min(self.in_channels, _MIXED)

    @property
    def sixteens(self) -> int:
        """Groups of input channels, each of which makes as many output channels.

        Returns:
            A number of groups.
        """
        return self.in_channels // self.mixed

    def interaction(self) -> LinearSpec:
        """From the input channels of a group to its output channels.

        Returns:
            The spec of the layer, without a bias.
        """
        return LinearSpec(self.mixed, self.out_channels // self.sixteens, bias=False)

    def encoder(self) -> LinearSpec:
        """From a channel's map to its description; the decoders go back.

        Returns:
            From the taps to the latent numbers, without a bias.
        """
        return LinearSpec(self.taps, self.latent, bias=False)

    def decoder(self) -> LinearSpec:
        """From the description of a channel back to a map of the kernel's size.

        Returns:
            From the latent numbers to the taps, without a bias.
        """
        return LinearSpec(self.latent, self.taps, bias=False)

    @property
    def start_gain(self) -> float:
        """The kernel over the stored one, where the decoders are zero.

        Returns:
            A factor of the kernel: a half with gates, which are sigmoids of zero.
        """
        return 0.5 if self.gated else 1.0

    def attention_parameters(self) -> tuple[Parameter, ...]:
        if not self.gated:
            return ()
        of_input, of_output = NormSpec(self.in_channels), NormSpec(self.out_channels)
        layers: dict[str, LinearSpec | NormSpec] = {
            "ce": self.encoder(),
            "ce_bn": of_input,
            "ci_bn2": of_input,
            "ci": self.interaction(),
            "ci_bn": of_output,
            "gd": self.decoder(),
            "gd2": self.decoder(),
        }
        return tuple(p for path, spec in layers.items() for p in under(path, spec.parameters()))

    def mixing_multiply_adds(self, inputs: int, outputs: int) -> int:
        if not self.gated:
            return 0
        coding = self.taps * self.latent
        linear = (2 * self.in_channels + self.out_channels) * coding
        interaction = self.out_channels * self.mixed * self.latent
        return self.in_channels * inputs + linear + interaction + prod(self.kernel_shape)

    @classmethod
    def takes(cls, site: Site, geometry: Mapping[str, Any]) -> bool:
        """Every convolution of more than one tap but those of groups, which have no gates."""
        size = geometry["kernel_size"]
        taps = size if isinstance(size, int) else prod(size)
        return super().takes(site, geometry) and taps > 1 and geometry.get("groups", 1) == 1

    @classmethod
    def infer_options(cls, shapes: Shapes) -> dict[str, Any]:
        return {}

    @classmethod
    def infer_geometry(cls, shapes: Shapes) -> dict[str, Any]:
        out, inputs, *taps = shapes.get("weight", (0, 0))
        if inputs != dimension(shapes, "ce_bn.weight", 0) or prod(taps) != shapes[cls.sign][0]:
            raise UnexplainedError(
                f"weight {shapes.get('weight')} is of other channels or taps than its gate, "
                f"ce_bn.weight {shapes['ce_bn.weight']} and {cls.sign} {shapes[cls.sign]}"
            )
        return {
            "in_channels": inputs,
            "out_channels": out,
            "kernel_size": tuple(taps),
            "bias": "bias" in shapes,
            "rank": len(taps),
        }


def _multiples_beside(value: int, step: int) -> str:
    """The multiples of `step` on both sides of a value that is none, as text."""
    below = value - value % step
    return f"{below} and {below + step}" if below else f"{step}"
