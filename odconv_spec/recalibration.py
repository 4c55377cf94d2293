"""What the layers have in common that weigh the channels or positions of a map and keep its shape.

They are no convolutions: they stand behind one, and a network that has one adds them to its blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import Field, dataclass, fields
from math import prod
from typing import Any, ClassVar, TypeVar

from odconv_spec.evidence import Shapes, UnexplainedError, Widths
from odconv_spec.geometry import whole
from odconv_spec.layer_options import LayerOptions
from odconv_spec.parameters import Parameter, Role

_KERNELS = (Role.CONV_KERNEL, Role.LINEAR_KERNEL)

Spec = TypeVar("Spec", bound="RecalibrationSpec")


@dataclass(frozen=True, kw_only=True)
class RecalibrationSpec(LayerOptions):
    """A layer that multiplies a map by factors between 0 and 1 that it computes from the map.

    `channels` is None where it is not known yet: a layer of Keras reads it from its input, and no
    array of an ECA shows it.

    Raises:
        ValueError: an option is out of range, or does not go with the channels.

    Example:
        >>> spec = SqueezeExcitationSpec(channels=64)
        >>> isinstance(spec, RecalibrationSpec), spec.kind, spec.layer_name
        (True, 'se', 'SqueezeExcitation')
    """

    kind: ClassVar[str]
    """In the names of models, and what a block calls the layer."""
    sign: ClassVar[str]
    """An array that every such layer has."""
    roots: ClassVar[tuple[str, ...]]
    """What the names of its arrays begin with."""
    linear: ClassVar[tuple[str, ...]] = ()
    """Paths of its fully connected layers, which names alone do not tell from convolutions."""

    channels: int | None = None

    def __post_init__(self) -> None:
        if self.channels is not None:
            self._normal("channels", whole("channels", self.channels, 1))

    @property
    def width(self) -> int:
        """The channels, where they are known.

        Returns:
            A number of channels.

        Raises:
            ValueError: they are not known yet.
        """
        if self.channels is None:
            raise ValueError(f"channels: expected those of the map, received none in {self!r}")
        return self.channels

    def parameters(self) -> tuple[Parameter, ...]:
        """Every stored array, by its name in the published code.

        Returns:
            Name, role and shape of each array.
        """
        raise NotImplementedError

    def multiply_adds(self, positions: int) -> int:
        """What a sample takes: the mean over the map, the layers that read it, and the scaling.

        Args:
            positions: of the map.

        Returns:
            A number of multiply-adds.
        """
        kernels = (p for p in self.parameters() if p.role in _KERNELS)
        return 2 * self.width * positions + sum(prod(p.shape) for p in kernels)

    @property
    def layer_name(self) -> str:
        """What messages call the layer.

        Returns:
            Such as "CBAM".
        """
        return type(self).__name__.removesuffix("Spec")

    @classmethod
    def own_options(cls) -> tuple[Field[Any], ...]:
        """The options beside the channels, in their order."""
        return tuple(field for field in fields(cls) if field.name != "channels")

    @classmethod
    def shows(cls, shapes: Shapes) -> bool:
        """Whether all arrays have names of a lone layer of this kind.

        Returns:
            True where `sign` is there and nothing foreign.
        """
        return cls.sign in shapes and all(name.startswith(cls.roots) for name in shapes)

    @classmethod
    def infer_options(cls, layers: Sequence[Shapes]) -> dict[str, Any]:
        """The options that all of these layers have, each given by its arrays.

        Returns:
            Option -> value, without the channels.

        Raises:
            UnexplainedError: no options explain the arrays.
        """
        raise NotImplementedError

    @classmethod
    def infer_stage_options(cls, stages: Sequence[Sequence[Shapes]]) -> dict[str, Any]:
        """The options of the layers of a network, given by the arrays of those of each stage.

        Returns:
            Option -> value, or a tuple of one value for each stage.

        Raises:
            UnexplainedError: no options explain the arrays.
        """
        return cls.infer_options([layer for layers in stages for layer in layers])

    @classmethod
    def infer_channels(cls, shapes: Shapes) -> int | None:
        """The channels of the layer that has these arrays, None where they do not show them.

        Returns:
            A number of channels, or None.
        """
        raise NotImplementedError

    @classmethod
    def from_arrays(cls: type[Spec], shapes: Shapes) -> Spec:
        """The spec of the lone layer that has these arrays, and nothing but them.

        Returns:
            The spec, whose arrays have exactly these names and shapes.

        Raises:
            UnexplainedError: no such layer has them.
        """
        options = cls.infer_options([shapes])
        try:
            spec = cls(channels=cls.infer_channels(shapes), **options)
        except ValueError as error:
            raise UnexplainedError(f"the arrays are of no possible layer: {error}") from error
        _check(spec, shapes)
        return spec

    def _normal(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # the one way to normalise a frozen dataclass's field


def _check(spec: RecalibrationSpec, shapes: Shapes) -> None:
    """Raises UnexplainedError unless the arrays are those of the spec."""
    expected = {parameter.name: parameter.shape for parameter in spec.parameters()}
    for name in sorted({*expected, *shapes}):
        if expected.get(name) != shapes.get(name):
            raise UnexplainedError(
                f"{name}: expected {expected.get(name, 'no such array')} in the layer that "
                f"{spec.sign} {shapes.get(spec.sign)} is of, a {spec.layer_name}, found "
                f"{shapes.get(name, 'none')}"
            )


def hidden_width(channels: int, reduction: int, hidden_channels: int | None) -> int:
    """`hidden_channels` where it is given, else channels // reduction, as published, 1 at least."""
    return hidden_channels or max(channels // reduction, 1)


def infer_reduction(found: Widths, usual: int) -> dict[str, Any]:
    """The options that give every hidden width by the rule above, `usual` before others.

    Args:
        found: (channels, hidden width) of each layer.
        usual: the published reduction.

    Raises:
        UnexplainedError: there are none.

    Example:
        >>> infer_reduction({(24, 6), (64, 16)}, usual=16)
        {'reduction': 4}
    """
    if any(hidden < 1 for _, hidden in found):
        raise UnexplainedError(
            f"expected hidden channels, found (channels, hidden) {sorted(found)}"
        )
    least = max(width // (hidden + 1) + 1 for width, hidden in found)
    # Every larger reduction gives a width of 1, too.
    limits = [width // hidden for width, hidden in found if hidden > 1]
    most = min(limits, default=max(usual, least))
    if 1 <= least <= most:
        return {"reduction": usual if least <= usual <= most else most}
    if len({hidden for _, hidden in found}) == 1:
        return {"hidden_channels": next(iter(found))[1]}
    raise UnexplainedError(
        "no reduction explains the hidden widths: (channels, hidden) "
        f"{sorted(found)[:6]}; expected hidden = channels // reduction"
    )


def axis_sizes(shapes: Shapes, name: str, axes: int) -> tuple[int, ...]:
    """The sizes of an array with that many axes. Raises UnexplainedError if there is none."""
    shape = shapes.get(name, ())
    if len(shape) != axes:
        raise UnexplainedError(f"{name}: expected an array with {axes} axes, found {shape or None}")
    return tuple(shape)


def hidden_widths(layers: Iterable[Shapes], name: str) -> Widths:
    """(channels, hidden width) of each layer whose first linear kernel, (hidden, in), is `name`."""
    kernels = (axis_sizes(shapes, name, 2) for shapes in layers)
    return {(width, hidden) for hidden, width in kernels}


def parameters_of(layers: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """The arrays of sub-layers, path -> spec, under their paths."""
    return tuple(p.under(path) for path, spec in layers.items() for p in spec.parameters())
