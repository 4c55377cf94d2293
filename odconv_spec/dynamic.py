"""What the dynamic convolutions have in common: a bank of kernels that each sample mixes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar, TypeVar

from odconv_spec.evidence import (
    Foreign,
    Shapes,
    UnexplainedError,
    dimension,
    owners,
    possible,
    shown,
)
from odconv_spec.geometry import one_of, whole
from odconv_spec.layers import ConvSpec
from odconv_spec.parameters import Parameter, Role

HEAD_INITS = ("zero", "published")
_KERNELS = (Role.CONV_KERNEL, Role.LINEAR_KERNEL)

Spec = TypeVar("Spec", bound="DynamicConvSpec")


@dataclass(frozen=True, kw_only=True)
class DynamicConvSpec(ConvSpec):
    """A convolution whose kernel is a mixture of `kernel_num` kernels, another for each sample.

    `head_init` says how the layer that weighs the kernels starts: at "zero", so that the whole is
    a plain convolution with constant factors, or as "published".

    The class says, too, by which arrays a file shows its layers, and makes itself from them.
    """

    mixer: ClassVar[str] = "attention"
    """The sub-layer that weighs the kernels."""
    mixer_roles: ClassVar[Mapping[str, tuple[Role, ...]]] = {}
    """Path in the mixer -> roles of the arrays there, if it is no convolution or batch norm."""
    has_temperature: ClassVar[bool] = True
    """Whether the mixer has one; Keras stores it there, beside the layers that have the arrays."""
    squeeze: ClassVar[str]
    """The layer that reads the mean of the input, by whose weight a file shows the kind."""
    weigher: ClassVar[str]
    """The layer that has an output for each kernel."""
    shown_by: ClassVar[Mapping[str, str]] = {}
    """Option -> the array whose shape shows it."""

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

    def fused(self: Spec, channels: int) -> Spec:
        """The spec of the layer with a batch norm of its output folded in: it has a bias.

        Args:
            channels: of the batch norm.

        Raises:
            ValueError: the convolution has other channels, or its bias cannot take up a shift.
        """
        if channels != self.out_channels:
            raise ValueError(
                f"norm: expected {self.out_channels} channels as the convolution gives, received "
                f"{channels}"
            )
        return replace(self, bias=True)

    def mixing_multiply_adds(self, inputs: int, outputs: int) -> int:
        return self.weighing_multiply_adds(inputs) + prod(self.bank_shape)

    def weighing_multiply_adds(self, inputs: int) -> int:
        """The mean over a map of `inputs` positions, and the layers that read it."""
        kernels = [prod(p.shape) for p in self.attention_parameters() if p.role in _KERNELS]
        return self.in_channels * inputs + sum(kernels) if kernels else 0

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

    @classmethod
    def title(cls) -> str:
        """What messages call the layer, such as "ODConv"."""
        return cls.__name__.removesuffix("Spec")

    @property
    def layer_name(self) -> str:
        """What messages call this layer, such as "ODConv2d"."""
        return f"{self.title()}{self.rank}d"

    @classmethod
    def shows(cls, shapes: Shapes) -> bool:
        """Whether arrays are those of a layer of this kind, or of a network with some."""
        return bool(owners(shapes, f"{cls.squeeze}.weight"))

    @classmethod
    def infer_options(cls, shapes: Shapes) -> dict[str, Any]:
        """The options that the layers have in common.

        What leaves no trace in the arrays is as published.

        Args:
            shapes: of a layer of this kind, or of a network with some.

        Raises:
            UnexplainedError: no options explain the arrays.
        """
        return {"kernel_num": cls._infer_kernel_num(shapes)}

    @classmethod
    def from_arrays(cls: type[Spec], shapes: Shapes) -> Spec:
        """The spec of the lone layer that has these arrays, without strides, pads and dilation.

        Args:
            shapes: canonical name -> canonical shape, of the layer's own arrays and its mixer's.

        Raises:
            UnexplainedError: the arrays contradict each other.

        Example:
            >>> spec = DyConvSpec(in_channels=8, out_channels=6, kernel_size=3, groups=2)
            >>> shapes = {parameter.name: parameter.shape for parameter in spec.parameters()}
            >>> DyConvSpec.from_arrays(shapes) == spec
            True
        """
        options = cls.infer_options(shapes)
        _, out, in_group, *taps = shapes["weight"]
        squeeze = f"{cls.squeeze}.weight"
        channels = dimension(shapes, squeeze, 1)
        if in_group == 0 or channels % in_group:
            raise UnexplainedError(
                f"weight {shapes['weight']} has {in_group} input channels in a group, but "
                f"{squeeze} {shapes[squeeze]} reads {channels}"
            )
        with possible("layer"):
            return cls(
                in_channels=channels,
                out_channels=out,
                kernel_size=tuple(taps),
                groups=channels // in_group,
                bias="bias" in shapes,
                rank=len(taps),
                **options,
            )

    @classmethod
    def evidence(cls, option: str, shapes: Shapes) -> str:
        """The arrays that show the option's value, of the first layer that has them, as text."""
        if option == "kernel_num":
            return cls._kernels_shown(shapes)
        return shown(shapes, cls.shown_by[option]) if option in cls.shown_by else ""

    @classmethod
    def foreign(cls, shapes: Shapes) -> Iterator[Foreign]:
        """Layers that have some of the names of this kind, and arrays that it cannot have."""
        return iter(())

    @classmethod
    def _infer_kernel_num(cls, shapes: Shapes) -> int:
        """Kernels of every layer: as many as its bank has, and as many as its mixer weighs."""
        layers = owners(shapes, f"{cls.squeeze}.weight")
        counts = {f"{layer}weight": dimension(shapes, f"{layer}weight", 0) for layer in layers}
        first = f"{layers[0]}weight"
        for layer, (bank, count) in zip(layers, counts.items(), strict=True):
            cls._check_weighed(shapes, f"{layer}{cls.weigher}.weight", bank, count)
            if count != counts[first]:
                raise UnexplainedError(
                    f"the layers have different numbers of kernels: {bank} {shapes[bank]} has "
                    f"{count}, {first} {shapes[first]} has {counts[first]}",
                    help="no backbone has; a network of your own needs its manifest, "
                    "--model net.json",
                )
        return counts[first]

    @classmethod
    def _check_weighed(cls, shapes: Shapes, head: str, bank: str, count: int) -> None:
        """Raises UnexplainedError where `head` weighs another number of kernels than there are."""
        weighed = shapes[head][0] if shapes.get(head) else 1
        if weighed != count:
            found = f"{head} {shapes[head]}" if head in shapes else f"no {head}"
            raise UnexplainedError(
                f"{bank} {shapes[bank]} has {count} kernels, but the {cls.mixer} weighs {weighed}: "
                f"{found}"
            )

    @classmethod
    def _kernels_shown(cls, shapes: Shapes) -> str:
        """What weighs the kernels of the first layer, and its kernels."""
        layer = next(iter(owners(shapes, f"{cls.squeeze}.weight")), None)
        if layer is None:
            return ""
        head, last = f"{layer}{cls.weigher}.weight", cls.weigher.rpartition(".")[2]
        weighs = f"{last}.weight {shapes[head]}" if head in shapes else f"no {last}"
        bank = shapes.get(f"{layer}weight")
        return weighs if bank is None else f"{weighs}, weight {bank}"
