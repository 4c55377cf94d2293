"""What the dynamic convolutions have in common: what they compute with is made in each call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar, Final, TypeVar

from odconv_spec.conv import ConvSpec
from odconv_spec.evidence import Shapes, possible
from odconv_spec.parameters import Parameter, Role
from odconv_spec.shown_by_arrays import ShownByArrays
from odconv_spec.site import Site

PROBE: Final[Mapping[str, Any]] = {"in_channels": 16, "out_channels": 16, "kernel_size": 3}
_KERNELS = (Role.CONV_KERNEL, Role.LINEAR_KERNEL)

Spec = TypeVar("Spec", bound="DynamicConvSpec")
Layer = TypeVar("Layer")


@dataclass(frozen=True, kw_only=True)
class DynamicConvSpec(ShownByArrays, ConvSpec):
    """A convolution whose kernel or output depends on the sample, or whose kernel on itself.

    The class says, too, where in a backbone it stands, and makes itself from arrays.

    Example:
        >>> spec = ODConvSpec(in_channels=8, out_channels=6, kernel_size=3)
        >>> isinstance(spec, DynamicConvSpec), spec.layer_name, spec.has_temperature
        (True, 'ODConv2d', True)
        >>> DyConvSpec.shows({"layer1.0.conv1.attention.fc1.weight": (16, 64, 1, 1)})
        True
    """

    parts: ClassVar[frozenset[str]] = frozenset({"block", "last"})
    """The parts of a backbone, see `Site`, whose convolutions are of this kind."""
    ranks: ClassVar[tuple[int, ...]] = (1, 2, 3)
    """Numbers of spatial axes that it has layers for."""
    families: ClassVar[frozenset[str] | None] = None
    """The backbones that it makes models of; None for all."""
    has_temperature: ClassVar[bool] = False
    """Whether attentions are divided by one, which an annealing changes."""

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """(out,), or (kernel_num, out) where biases are mixed.

        Returns:
            The shape, whether the layer has a bias or not.
        """
        return (self.out_channels,)

    def fused(self: Spec, channels: int) -> Spec:
        """The spec of the layer with a batch norm of its output folded in: it has a bias.

        Args:
            channels: of the batch norm.

        Returns:
            The spec of the layer with a bias.

        Raises:
            ValueError: the convolution has other channels, or its bias cannot take up a shift.
        """
        if channels != self.out_channels:
            raise ValueError(
                f"norm: expected {self.out_channels} channels as the convolution gives, received "
                f"{channels}"
            )
        return replace(self, bias=True)

    @classmethod
    def static_start(cls) -> dict[str, Any]:
        """The options with which a layer can start with the function of a static convolution.

        Returns:
            `head_init` as "zero" for a kind that has it: attentions start as constants, which the
            arrays can undo.
        """
        has_heads = any(field.name == "head_init" for field in cls.own_options())
        return {"head_init": "zero"} if has_heads else {}

    def check_static_start(self) -> None:
        """Checks that arrays can give the function of any static convolution of this geometry.

        Raises:
            ValueError: none can, because an option is not that of `static_start`.
        """
        for name, value in self.static_start().items():
            if getattr(self, name) != value:
                raise ValueError(
                    f"{name}: expected {value!r}, which keeps the function, received "
                    f"{getattr(self, name)!r}"
                )

    def attention_parameters(self) -> tuple[Parameter, ...]:
        """The arrays of the sub-layers that make the kernel or the output what they are.

        Returns:
            Name, role and shape of each array, in the order of the published state dict.
        """
        raise NotImplementedError

    def parameters(self) -> tuple[Parameter, ...]:
        """Every stored array: the layer's own, then those of its sub-layers.

        Returns:
            Name, role and shape of each array, in the order of the published state dict.
        """
        return (*self.own_parameters(), *self.attention_parameters())

    def weighing_multiply_adds(self, inputs: int) -> int:
        """The mean over a map of `inputs` positions, and the layers that read it.

        Returns:
            A number of multiply-adds, zero without such layers.
        """
        kernels = [prod(p.shape) for p in self.attention_parameters() if p.role in _KERNELS]
        return self.in_channels * inputs + sum(kernels) if kernels else 0

    def _pointwise(self, in_channels: int, out_channels: int, bias: bool) -> ConvSpec:
        return ConvSpec(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=1,
            bias=bias,
            rank=self.rank,
        )

    @classmethod
    def probe(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """A geometry for which values of the options are possible, if they are for any.

        Returns:
            Arguments of a `ConvSpec`.
        """
        return PROBE

    @classmethod
    def takes(cls, site: Site, geometry: Mapping[str, Any]) -> bool:
        """Whether the convolution at that place of a backbone is of this kind, not static.

        Args:
            site: the place.
            geometry: arguments of a `ConvSpec`.

        Returns:
            True where the layer is of this kind.
        """
        return site.part in cls.parts

    @classmethod
    def at(cls, site: Site, geometry: Mapping[str, Any], options: Mapping[str, Any]) -> ConvSpec:
        """The convolution at that place of a backbone; where the kind leaves it so, a static one.

        Args:
            site: the place.
            geometry: arguments of a `ConvSpec`.
            options: those that the user of the backbone chose.

        Returns:
            The spec of the layer.
        """
        return cls(**geometry, **options) if cls.takes(site, geometry) else ConvSpec(**geometry)

    @classmethod
    def of_rank(cls, layers: Sequence[Layer], rank: int) -> Layer:
        """Which of `layers`, one for each of `ranks`, is over `rank` axes.

        Returns:
            One of `layers`.

        Raises:
            ValueError: there is none.
        """
        if rank not in cls.ranks:
            known = " or ".join(map(str, cls.ranks))
            raise ValueError(f"rank: expected {known} for {cls.title()}, received {rank}")
        return layers[cls.ranks.index(rank)]

    @classmethod
    def title(cls) -> str:
        """What messages call the layer, such as "ODConv".

        Returns:
            The name of the method, without a rank.
        """
        return cls.__name__.removesuffix("Spec")

    @property
    def layer_name(self) -> str:
        """What messages call this layer, such as "ODConv2d".

        Returns:
            The name of the method with the number of axes.
        """
        return f"{self.title()}{self.rank}d"

    @classmethod
    def from_arrays(cls: type[Spec], shapes: Shapes) -> Spec:
        """The spec of the lone layer that has these arrays, without strides, pads and dilation.

        Args:
            shapes: canonical name -> canonical shape, of the layer's own arrays and those of its
                sub-layers.

        Returns:
            The spec, whose arrays have exactly these names and shapes.

        Raises:
            UnexplainedError: the arrays contradict each other.

        Example:
            >>> spec = DyConvSpec(in_channels=8, out_channels=6, kernel_size=3, groups=2)
            >>> shapes = {parameter.name: parameter.shape for parameter in spec.parameters()}
            >>> DyConvSpec.from_arrays(shapes) == spec
            True
        """
        options = cls.infer_options(shapes)
        geometry = cls.infer_geometry(shapes)
        with possible("layer"):
            return cls(**geometry, **options)
