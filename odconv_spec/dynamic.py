"""What the dynamic convolutions have in common: a bank of kernels that each sample mixes."""

from __future__ import annotations

from dataclasses import dataclass

from odconv_spec.geometry import one_of, whole
from odconv_spec.layers import ConvSpec
from odconv_spec.parameters import Parameter, Role

HEAD_INITS = ("zero", "published")


@dataclass(frozen=True, kw_only=True)
class DynamicConvSpec(ConvSpec):
    """A convolution whose kernel is a mixture of `kernel_num` kernels, another for each sample.

    `head_init` says how the layer that weighs the kernels starts: at "zero", so that the whole is
    a plain convolution with constant factors, or as "published".
    """

    kernel_num: int = 4
    head_init: str = "zero"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._normal("kernel_num", whole("kernel_num", self.kernel_num, 1))
        one_of("head_init", self.head_init, HEAD_INITS)

    @property
    def mixes_biases(self) -> bool:
        """Whether each kernel has a bias of its own, mixed like the kernels."""
        return True

    @property
    def bank_shape(self) -> tuple[int, ...]:
        """(kernel_num, out, in // groups, *kernel)"""
        return (self.kernel_num, *self.kernel_shape)

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """(kernel_num, out) where biases are mixed, else (out,)."""
        return (self.kernel_num, self.out_channels) if self.mixes_biases else (self.out_channels,)

    @property
    def start_gain(self) -> float:
        """The layer's kernel over that of its experts, where heads are zero and experts alike.

        Experts that hold a static convolution's kernel over this gain compute its function.
        """
        raise NotImplementedError

    def own_parameters(self) -> tuple[Parameter, ...]:
        bank = Parameter("weight", Role.EXPERT_KERNELS, self.bank_shape)
        return (bank, *self._bias())

    def attention_parameters(self) -> tuple[Parameter, ...]:
        """The arrays of the sub-layers that weigh the kernels."""
        raise NotImplementedError

    def parameters(self) -> tuple[Parameter, ...]:
        return (*self.own_parameters(), *self.attention_parameters())

    def _bias(self) -> tuple[Parameter, ...]:
        role = Role.EXPERT_BIASES if self.mixes_biases else Role.BIAS
        return (Parameter("bias", role, self.bias_shape),) if self.bias else ()

    def _pointwise(self, in_channels: int, out_channels: int, bias: bool) -> ConvSpec:
        return ConvSpec(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=1,
            bias=bias,
            rank=self.rank,
        )
