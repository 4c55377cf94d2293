"""What arrays show of a kind of dynamic convolution: the way back from `parameters()`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, TypeAlias

from odconv_spec.evidence import Foreign, Shapes, owners, shown
from odconv_spec.parameters import Role

Made: TypeAlias = "tuple[tuple[int, ...], Callable[[Any], Any]]"
"""Shape of an int64 array, and what makes it, given NumPy."""


class ShownByArrays:
    """By which arrays a file shows layers of a kind, and with which options.

    `DynamicConvSpec.from_arrays` makes a spec of what this tells.
    """

    sign: ClassVar[str]
    """An array of the layer that every one of this kind has, and none of another."""
    reads: ClassVar[str] = "weight"
    """An array of a stem of this kind whose second axis has the channels of the image."""
    linear: ClassVar[tuple[str, ...]] = ()
    """Paths of its fully connected layers, which names alone do not tell from convolutions."""
    inner_roles: ClassVar[Mapping[str, tuple[Role, ...]]] = {}
    """Path in the layer -> roles of the arrays there, where names alone do not tell them."""
    shown_by: ClassVar[Mapping[str, str]] = {}
    """Option -> the array whose shape shows it."""

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
