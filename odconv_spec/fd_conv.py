"""Frequency dynamic convolution, https://arxiv.org/abs/2503.18783."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any, ClassVar, TypeVar

from odconv_spec import fd_evidence
from odconv_spec.conv import ConvSpec
from odconv_spec.evidence import Shapes
from odconv_spec.fd_attention import FDAttentionSpec
from odconv_spec.frequencies import FrequencyOrderSpec, frequency_order
from odconv_spec.geometry import whole
from odconv_spec.parameters import LAYER_NORM, Parameter, Role, under
from odconv_spec.shown_by_arrays import Made
from odconv_spec.site import Site

KERNELS = ((1, 1), (3, 3))
BAND_MASK = (64, 33)  # rows and columns of the published masks, stretched to those of a spectrum
BAND_LIMITS = (15, 8, 4)  # the highest frequency there that passes: below a quarter, an eighth, ...
_NARROW = 16  # layers of no more channels are static in the published networks

Spec = TypeVar("Spec", bound="FDConvSpec")


@dataclass(frozen=True, kw_only=True)
class FDConvSpec(FDAttentionSpec):
    """Frequency dynamic convolution, https://arxiv.org/abs/2503.18783.

    The layer stores the spectrum of one kernel, whose frequencies are sorted and cut into
    `kernel_num` groups; each sample weighs the groups. Attentions scale its input channels, output
    channels and taps, and each of its elements; a layer of 3x3 taps scales frequency bands of the
    map at each position first.

    `reduction` gives the hidden width of the attention, int(in * reduction) and 16 at least.
    `param_ratio` is the number of spectra, of which the published start makes `param_ratio` times
    the kernel of one. `temperature` divides the logits of the attentions, and is no state: it stays
    what it is. `head_init` is "published" (the heads start near zero, but that of the output
    channels, which is Kaiming normal) or "zero" (the layer starts as a plain convolution).

    Raises:
        ValueError: besides what every convolution raises, another kernel than 1x1 or 3x3, groups,
        an odd `in_channels`, or a `kernel_num` that does not divide the number of frequencies.

    Example:
        >>> spec = FDConvSpec(in_channels=32, out_channels=16, kernel_size=3)
        >>> spec.order().spectrum, spec.parameters()[0].shape
        ((48, 49), (1, 48, 49, 2))
    """

    kind: ClassVar[str] = "fdconv"
    ranks: ClassVar[tuple[int, ...]] = (2,)
    parts: ClassVar[frozenset[str]] = frozenset({"block"})
    families: ClassVar[frozenset[str] | None] = frozenset({"resnet"})
    backbone_defaults: ClassVar[Mapping[str, Any]] = {"kernel_num": 64}  # as in its networks
    sign: ClassVar[str] = fd_evidence.SQUEEZE
    inner_roles: ClassVar[Mapping[str, tuple[Role, ...]]] = {
        "": (Role.SPECTRUM, Role.BIAS),
        "frequency_order": (Role.INDICES,),
        "KSM_Global.relu": (Role.SCALE, Role.BIAS),
        "KSM_Local.norm": LAYER_NORM,
    }
    shown_by: ClassVar[Mapping[str, str]] = {
        "kernel_num": fd_evidence.GROUPS,
        "param_ratio": fd_evidence.SPECTRUM,
        "reduction": fd_evidence.SQUEEZE,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_geometry()
        count = prod(self.order().spectrum)
        if count % self.kernel_num:
            raise ValueError(
                f"kernel_num: expected a divisor of the {count} frequencies of {self.out_channels} "
                f"kernels of {self.in_channels} channels and {self.kernel} taps, received "
                f"{self.kernel_num}; the nearest is {_nearest_divisor(count, self.kernel_num)}"
            )

    def _check_geometry(self) -> None:
        if self.rank not in self.ranks:
            raise ValueError(f"rank: expected 2 spatial axes for FDConv, received {self.rank}")
        if self.kernel not in KERNELS:
            nearest = 1 if max(self.kernel) < 2 else 3
            raise ValueError(
                f"kernel_size: expected 1 or 3 taps along both axes, received {self.kernel}; the "
                f"nearest is {nearest}"
            )
        if self.groups != 1:
            raise ValueError(
                "groups: expected 1, as the spectrum is that of a kernel between all channels, "
                f"received {self.groups}"
            )
        if self.in_channels % 2:
            raise ValueError(
                "in_channels: expected an even number, because a spectrum does not say whether its "
                f"rows were of odd length, received {self.in_channels}; the nearest are "
                f"{max(self.in_channels - 1, 2)} and {self.in_channels + 1}"
            )
        if self.out_channels < 2:
            raise ValueError("out_channels: expected 2 or more, received 1; the nearest is 2")

    def order(self) -> FrequencyOrderSpec:
        """The frequencies of the kernel as one plane, (out * taps, in * taps), and their groups.

        Returns:
            The spec of the frequencies, whose indices a file may lack.
        """
        height, width = self.kernel
        plane = (self.out_channels * height, self.in_channels * width)
        return FrequencyOrderSpec(plane, self.kernel_num, self.param_ratio)

    @property
    def stored_gain(self) -> int:
        """A kernel's spectrum over the stored one.

        Returns:
            A factor.
        """
        return min(self.in_channels, self.out_channels) // 2

    @property
    def gain(self) -> int:
        """What multiplies the stored spectrum, beside the attention.

        Returns:
            A factor.
        """
        return self.stored_gain * self.kernel_num * self.param_ratio

    @property
    def has_bands(self) -> bool:
        """Whether the frequency bands of the map are scaled.

        Returns:
            True for a kernel of 3x3 taps.
        """
        return self.kernel == (3, 3)

    def band_weight(self) -> ConvSpec:
        """What weighs a band at each position.

        Returns:
            A 3x3 convolution to one channel.
        """
        return ConvSpec(
            in_channels=self.in_channels, out_channels=1, kernel_size=3, padding=1, bias=True
        )

    def own_parameters(self) -> tuple[Parameter, ...]:
        shape = (self.param_ratio, *self.order().spectrum, 2)  # real and imaginary parts
        return (Parameter("dft_weight", Role.SPECTRUM, shape), *self._bias())

    def attention_parameters(self) -> tuple[Parameter, ...]:
        found = under("frequency_order", self.order().own_parameters())
        found += under("KSM_Global", self.global_parameters())
        found += under("KSM_Local", self.local_parameters())
        for number in range(len(BAND_LIMITS) if self.has_bands else 0):
            found += under(f"FBM.freq_weight_conv_list.{number}", self.band_weight().parameters())
        return found

    def mixing_multiply_adds(self, inputs: int, outputs: int) -> int:
        """Without the transforms themselves, whose cost is no multiple of the positions."""
        found = self.in_channels * inputs + prod(self.trunk().kernel_shape)
        found += sum(prod(head.kernel_shape) for head in self.heads().values())
        found += prod(self.local().kernel_shape) * self.in_channels
        found += prod(self.own_parameters()[0].shape)
        found += len(self.heads()) * prod(self.kernel_shape)  # the local gate has no head there
        if self.has_bands:
            each = prod(self.band_weight().kernel_shape) + self.in_channels
            found += len(BAND_LIMITS) * each * inputs
        return found

    def fused(self: Spec, channels: int) -> Spec:
        raise ValueError(
            "conv: expected a convolution whose kernel a norm can scale, received FDConv, which "
            "stores groups of frequencies: a spectrum of the scaled kernel mixes them"
        )

    @classmethod
    def probe(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        kernel_num = whole("kernel_num", options.get("kernel_num", cls.kernel_num), 2)
        return {"in_channels": 16, "out_channels": 16 * kernel_num, "kernel_size": 3}

    @classmethod
    def takes(cls, site: Site, geometry: Mapping[str, Any]) -> bool:
        spec = ConvSpec(**geometry)
        wide = min(spec.in_channels, spec.out_channels) > _NARROW
        plain = wide and spec.groups == 1 and spec.kernel in KERNELS
        return plain and super().takes(site, geometry)

    @classmethod
    def infer_options(cls, shapes: Shapes) -> dict[str, Any]:
        return fd_evidence.options(shapes)

    @classmethod
    def infer_geometry(cls, shapes: Shapes) -> dict[str, Any]:
        return fd_evidence.geometry(shapes)

    @classmethod
    def unsaved(cls, shapes: Shapes) -> dict[str, Made]:
        found = fd_evidence.orders(shapes)
        return {
            name: (order.shape, partial(frequency_order, spec=order))
            for name, order in found.items()
            if name not in shapes
        }


def _nearest_divisor(number: int, near: int) -> int:
    """The divisor of `number`, 2 at least, that is nearest to `near`."""
    every = (n for n in range(2, min(number, 2 * near) + 1) if number % n == 0)
    return min(every, key=lambda n: abs(n - near), default=number)
