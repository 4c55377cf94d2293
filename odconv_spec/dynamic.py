"""What the dynamic convolutions have in common: what they compute with is made in each call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar, Final, TypeAlias, TypeVar

from odconv_spec.evidence import Foreign, Shapes, owners, possible, shown
from odconv_spec.layers import ConvSpec
from odconv_spec.parameters import Parameter, Role
from odconv_spec.site import Site

PROBE: Final[Mapping[str, Any]] = {"in_channels": 16, "out_channels": 16, "kernel_size": 3}
_KERNELS = (Role.CONV_KERNEL, Role.LINEAR_KERNEL)

Spec = TypeVar("Spec", bound="DynamicConvSpec")
Layer = TypeVar("Layer")
Made: TypeAlias = "tuple[tuple[int, ...], Callable[[Any], Any]]"
"""Shape of an int64 array, and what makes it, given NumPy."""


@dataclass(frozen=True, kw_only=True)
class DynamicConvSpec(ConvSpec):
    """A convolution whose kernel or output depends on the sample, or whose kernel on itself.

    The class says, too, where in a backbone it stands, by which arrays a file shows its layers, and
    makes itself from them.

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
    sign: ClassVar[str]
    """An array of the layer that every one of this kind has, and none of another."""
    reads: ClassVar[str] = "weight"
    """An array of a stem of this kind whose second axis has the channels of the image."""
    linear: ClassVar[tuple[str, ...]] = ()
    """Paths of its fully connected layers, which names alone do not tell from convolutions."""
    inner_roles: ClassVar[Mapping[str, tuple[Role, ...]]] = {}
    """Path in the layer -> roles of the arrays there, where names alone do not tell them."""
    has_temperature: ClassVar[bool] = False
    """Whether attentions are divided by one, which an annealing changes."""
    shown_by: ClassVar[Mapping[str, str]] = {}
    """Option -> the array whose shape shows it."""

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
    def shows(cls, shapes: Shapes) -> bool:
        """Whether arrays are those of a layer of this kind, or of a network with some.

        Returns:
            True where the array `sign` is there, in any layer.
        """
        return bool(owners(shapes, cls.sign))

    @classmethod
    def is_lone(cls, shapes: Shapes) -> bool:
        """Whether arrays that show this kind are those of one layer, not of a network.

        Returns:
            True where the array `sign` has no path before its name.
        """
        return cls.sign in shapes

    @classmethod
    def infer_options(cls, shapes: Shapes) -> dict[str, Any]:
        """The options that the layers have in common.

        What leaves no trace in the arrays is as published.

        Args:
            shapes: of a layer of this kind, or of a network with some.

        Returns:
            Option -> value, without the geometry.

        Raises:
            UnexplainedError: no options explain the arrays.
        """
        raise NotImplementedError

    @classmethod
    def candidates(cls, shapes: Shapes) -> Iterator[dict[str, Any]]:
        """Options of which a network's arrays alone tell which it has; none by default.

        Args:
            shapes: of a network that `infer_options` cannot tell the options of.

        Returns:
            Options to try, in this order.
        """
        return iter(())

    @classmethod
    def infer_geometry(cls, shapes: Shapes) -> dict[str, Any]:
        """Widths, kernel, groups, bias and rank of the lone layer that has these arrays.

        Returns:
            Arguments of a `ConvSpec`.

        Raises:
            UnexplainedError: the arrays contradict each other.
        """
        raise NotImplementedError

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

    @classmethod
    def unsaved(cls, shapes: Shapes) -> Mapping[str, Made]:
        """Arrays that files of the published code lack, as it makes them anew: name -> `Made`.

        Returns:
            The arrays to make; none by default.
        """
        return {}

    @classmethod
    def evidence(cls, option: str, shapes: Shapes) -> str:
        """The arrays that show the option's value, of the first layer that has them, as text.

        Returns:
            Names with shapes, such as "attention.fc.weight (16, 64, 1, 1)"; "" where no array shows
            it.
        """
        return shown(shapes, cls.shown_by[option]) if option in cls.shown_by else ""

    @classmethod
    def foreign(cls, shapes: Shapes) -> Iterator[Foreign]:
        """Layers that have some of the names of this kind, and arrays that it cannot have.

        Returns:
            The path of each layer with what is wrong with it; none by default.
        """
        return iter(())
