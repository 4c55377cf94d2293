"""What ODConv, DyConv and CondConv have in common: a bank of kernels that each sample mixes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, TypeVar

from odconv_spec.dynamic import DynamicConvSpec
from odconv_spec.evidence import Shapes, UnexplainedError, dimension, owners
from odconv_spec.geometry import one_of, whole
from odconv_spec.parameters import Parameter, Role

HEAD_INITS = ("zero", "published")
_BANK_AXES = 3  # kernels, output channels, input channels of a group

Spec = TypeVar("Spec", bound="KernelBankSpec")


@dataclass(frozen=True, kw_only=True)
class KernelBankSpec(DynamicConvSpec):
    """A convolution whose kernel is a mixture of `kernel_num` kernels, another for each sample.

    `head_init` says how the layer that weighs the kernels starts: at "zero", so that the whole is
    a plain convolution with constant factors, or as "published".

    Example:
        >>> spec = DyConvSpec(in_channels=8, out_channels=6, kernel_size=3, kernel_num=5)
        >>> isinstance(spec, KernelBankSpec), spec.bank_shape, spec.start_gain
        (True, (5, 6, 8, 3, 3), 1.0)
    """

    mixer: ClassVar[str] = "attention"
    """The sub-layer that weighs the kernels."""
    mixer_roles: ClassVar[Mapping[str, tuple[Role, ...]]] = {}
    """Path in the mixer -> roles of the arrays there, if it is no convolution or batch norm."""
    has_temperature: ClassVar[bool] = True
    """Whether the mixer has one; Keras stores it there, beside the layers that have the arrays."""
    weigher: ClassVar[str]
    """The layer that has an output for each kernel."""

    kernel_num: int = 4
    head_init: str = "zero"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._normal("kernel_num", whole("kernel_num", self.kernel_num, 1))
        one_of("head_init", self.head_init, HEAD_INITS)

    @property
    def mixes_biases(self) -> bool:
        """Whether each kernel has a bias of its own, mixed like the kernels.

        Returns:
            True for a bank of biases, False for one bias or none.
        """
        return True

    @property
    def bank_shape(self) -> tuple[int, ...]:
        """(kernel_num, out, in // groups, *kernel)

        Returns:
            The shape of the array of kernels.
        """
        return (self.kernel_num, *self.kernel_shape)

    @property
    def bias_shape(self) -> tuple[int, ...]:
        return (self.kernel_num, self.out_channels) if self.mixes_biases else (self.out_channels,)

    @property
    def start_gain(self) -> float:
        """The layer's kernel over that of its experts, where heads are zero and experts alike.

        Experts that hold a static convolution's kernel over this gain compute its function.

        Returns:
            A factor, greater than zero.
        """
        raise NotImplementedError

    def mixing_multiply_adds(self, inputs: int, outputs: int) -> int:
        return self.weighing_multiply_adds(inputs) + prod(self.bank_shape)

    def own_parameters(self) -> tuple[Parameter, ...]:
        bank = Parameter("weight", Role.EXPERT_KERNELS, self.bank_shape)
        return (bank, *self._bias())

    def _bias(self) -> tuple[Parameter, ...]:
        role = Role.EXPERT_BIASES if self.mixes_biases else Role.BIAS
        return (Parameter("bias", role, self.bias_shape),) if self.bias else ()

    @classmethod
    def is_lone(cls, shapes: Shapes) -> bool:
        return super().is_lone(shapes) and len(shapes.get("weight", ())) > _BANK_AXES

    @classmethod
    def infer_options(cls, shapes: Shapes) -> dict[str, Any]:
        return {"kernel_num": cls._infer_kernel_num(shapes)}

    @classmethod
    def infer_geometry(cls, shapes: Shapes) -> dict[str, Any]:
        _, out, in_group, *taps = shapes["weight"]
        channels = dimension(shapes, cls.sign, 1)
        if in_group == 0 or channels % in_group:
            raise UnexplainedError(
                f"weight {shapes['weight']} has {in_group} input channels in a group, but "
                f"{cls.sign} {shapes[cls.sign]} reads {channels}"
            )
        return {
            "in_channels": channels,
            "out_channels": out,
            "kernel_size": tuple(taps),
            "groups": channels // in_group,
            "bias": "bias" in shapes,
            "rank": len(taps),
        }

    @classmethod
    def evidence(cls, option: str, shapes: Shapes) -> str:
        if option == "kernel_num":
            return cls._kernels_shown(shapes)
        return super().evidence(option, shapes)

    @classmethod
    def _infer_kernel_num(cls, shapes: Shapes) -> int:
        """Kernels of every layer: as many as its bank has, and as many as its mixer weighs."""
        layers = owners(shapes, cls.sign)
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
        layer = next(iter(owners(shapes, cls.sign)), None)
        if layer is None:
            return ""
        head, last = f"{layer}{cls.weigher}.weight", cls.weigher.rpartition(".")[2]
        weighs = f"{last}.weight {shapes[head]}" if head in shapes else f"no {last}"
        bank = shapes.get(f"{layer}weight")
        return weighs if bank is None else f"{weighs}, weight {bank}"
