"""How an FDConv weighs frequencies, channels, taps and elements of its kernel."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2, prod

from odconv_spec import fd_evidence
from odconv_spec.conv import ConvSpec
from odconv_spec.dynamic import DynamicConvSpec
from odconv_spec.geometry import one_of, real, whole
from odconv_spec.kernel_bank import HEAD_INITS
from odconv_spec.norm import LayerNormSpec, NormSpec
from odconv_spec.parameters import Parameter, Role, under


@dataclass(frozen=True)
class StarReLUSpec:
    """scale * relu(x) ** 2 + bias, with two learned numbers."""

    def own_parameters(self) -> tuple[Parameter, ...]:
        return Parameter("scale", Role.SCALE, (1,)), Parameter("bias", Role.BIAS, (1,))


@dataclass(frozen=True, kw_only=True)
class FDAttentionSpec(DynamicConvSpec):
    """The options and arrays of the attentions; the kernel is that of `FDConvSpec`.

    A squeeze of the mean over the map has a head for the input channels, the output channels, the
    taps and the groups of frequencies. A convolution along the channels of the mean weighs each
    element of the kernel.
    """

    kernel_num: int = 4
    reduction: float = 0.0625
    param_ratio: int = 1
    temperature: float = 1.0
    head_init: str = "published"

    def __post_init__(self) -> None:
        super().__post_init__()
        # A group of all frequencies would have no attention, with which the published code fails.
        self._normal("kernel_num", whole("kernel_num", self.kernel_num, 2))
        self._normal("param_ratio", whole("param_ratio", self.param_ratio, 1))
        real("reduction", self.reduction, 0, 1)
        real("temperature", self.temperature, 0, float("inf"))
        one_of("head_init", self.head_init, HEAD_INITS)

    @property
    def attention_channels(self) -> int:
        """Hidden width of the attention.

        Returns:
            A number of channels, 16 at least.
        """
        return max(int(self.in_channels * self.reduction), fd_evidence.LEAST_HIDDEN)

    def trunk(self) -> ConvSpec:
        """The squeeze that all heads share.

        Returns:
            A 1x1 convolution of the mean, without a bias.
        """
        return self._pointwise(self.in_channels, self.attention_channels, bias=False)

    def trunk_norm(self) -> NormSpec:
        """The batch normalisation behind the trunk.

        Returns:
            Its spec, of the hidden width.
        """
        return NormSpec(self.attention_channels)

    def heads(self) -> dict[str, ConvSpec]:
        """The heads on the squeezed input; a kernel of one tap has none for its taps.

        Returns:
            Path -> 1x1 convolution from the hidden width.
        """
        found = {"channel_fc": self.in_channels, "filter_fc": self.out_channels}
        if max(self.kernel) > 1:
            found["spatial_fc"] = prod(self.kernel)
        found["kernel_fc"] = self.kernel_num * self.param_ratio
        hidden = self.attention_channels
        return {name: self._pointwise(hidden, width, bias=True) for name, width in found.items()}

    def local(self) -> ConvSpec:
        """What sees the means of neighbouring channels, and gives all taps of their kernels.

        Returns:
            A convolution over one axis, along the channels.
        """
        taps = round(log2(self.in_channels) / 2 + 0.5) // 2 * 2 + 1
        return ConvSpec(
            in_channels=1,
            out_channels=self.out_channels * prod(self.kernel),
            kernel_size=taps,
            padding=taps // 2,
            rank=1,
        )

    def local_norm(self) -> LayerNormSpec:
        """The layer normalisation of what `local` gives.

        Returns:
            Its spec, of the channels of the input.
        """
        return LayerNormSpec(self.in_channels)

    def global_parameters(self) -> tuple[Parameter, ...]:
        """The arrays of the trunk and the heads.

        Returns:
            Name, role and shape of each array.
        """
        found = under("fc", self.trunk().parameters())
        found += under("bn", self.trunk_norm().parameters())
        found += under("relu", StarReLUSpec().own_parameters())
        for name, head in self.heads().items():
            found += under(name, head.parameters())
        return found

    def local_parameters(self) -> tuple[Parameter, ...]:
        """The arrays of what sees neighbouring channels.

        Returns:
            Name, role and shape of each array.
        """
        convolution = under("conv", self.local().parameters())
        return convolution + under("norm", self.local_norm().parameters())
