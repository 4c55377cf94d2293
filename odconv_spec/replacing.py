"""What replacing static convolutions has in common in all frameworks: choice, checks and report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple, TypeAlias, TypeVar

from odconv_spec.choice import dynamic_kinds, spec_class
from odconv_spec.dynamic import DynamicConvSpec
from odconv_spec.layers import ConvSpec

Conv = TypeVar("Conv")
Classes: TypeAlias = "type[Any] | tuple[type[Any], ...]"

_MOST_PATHS = 8  # in an error message


class Replacement(NamedTuple):
    """One layer: where it is, what it was and what it is."""

    path: str
    before: ConvSpec
    after: ConvSpec


class Replaced(NamedTuple):
    """A network and what `replace_convs` did to it; as text, a table.

    Attributes:
        model: the network, as the framework has it.
        changes: the layers that were replaced.
        skipped: path and reason of each convolution that was chosen but is left as it is, because
            it does not train, computes in its own way, or is shared with a layer that would lose
            it.

    Example:
        >>> spec = ConvSpec(in_channels=8, out_channels=8, kernel_size=3)
        >>> print(Replaced("a network", (Replacement("stem", spec, spec),), ()))
        replaced   parameters          now
        stem              576          576
        total             576          576
    """

    model: Any
    changes: tuple[Replacement, ...]
    skipped: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        rows = [(c.path or "(the model)", _count(c.before), _count(c.after)) for c in self.changes]
        rows.append(("total", sum(row[1] for row in rows), sum(row[2] for row in rows)))
        width = max(len("replaced"), *(len(path) for path, _, _ in rows))
        lines = [f"{'replaced':<{width}} {'parameters':>12} {'now':>12}"]
        lines += [f"{path:<{width}} {before:>12,} {after:>12,}" for path, before, after in rows]
        return "\n".join([*lines, *(f"left: {path}: {reason}" for path, reason in self.skipped)])


def replacing_spec(kind: str, options: Mapping[str, Any]) -> type[DynamicConvSpec]:
    """The spec class of the layers that take the place of static ones.

    Args:
        kind: "od", "dy", "cond", or one that an installed package brings.
        options: of the layers.

    Raises:
        ValueError: unknown kind, or options that its layers do not have.
    """
    try:
        spec = spec_class(kind)
    except ValueError:
        spec = ConvSpec
    if not issubclass(spec, DynamicConvSpec):
        kinds = [dynamic.kind for dynamic in dynamic_kinds()]
        raise ValueError(f"kind: expected one of {kinds}, received {kind!r}")
    # A network calls its convolutions with their input only, so that no router can be shared.
    known = [field.name for field in spec.own_options() if field.name != "router"]
    if unknown := sorted(set(options) - set(known)):
        raise ValueError(f"a {kind!r} convolution has the options {known}; received {unknown}")
    return spec


def choose(
    places: Iterable[tuple[str, Conv]],
    where: Callable[[str, Conv], bool] | None,
    transposed: Classes,
) -> list[tuple[str, Conv]]:
    """The static convolutions to replace, each once and with its first path.

    Args:
        places: path and convolution for each place that holds one, in the order of the network. A
            lone convolution has an empty path.
        where: the rule of `replace_convs`. By default all but the first, which the papers keep
            static; a lone convolution is chosen.
        transposed: the framework's transposed convolutions, which are never the first.

    Returns:
        Paths and convolutions.

    Raises:
        ValueError: none is chosen.
    """
    by_identity: dict[int, tuple[str, Conv]] = {}
    for path, conv in places:
        by_identity.setdefault(id(conv), (path, conv))
    convs = list(by_identity.values())
    if where is None:
        chosen = _without_first(convs, transposed)
    else:
        chosen = [(path, conv) for path, conv in convs if where(path, conv)]
    if not chosen:
        raise ValueError(f"where: expected to choose a static convolution of {_listed(convs)}")
    return chosen


class Owners:
    """The layers that hold each array, to find those that several layers share."""

    def __init__(self) -> None:
        self._paths: dict[int, dict[int, str]] = defaultdict(dict)  # by id of array, id of layer

    def add(self, layer: object, array: object, path: str) -> None:
        self._paths[id(array)][id(layer)] = path

    def other_than(self, layer: object, arrays: Iterable[object]) -> str | None:
        """The path of one of the arrays in another layer; None if there is none."""
        paths = (self._paths[id(array)].items() for array in arrays)
        return next((p for layers in paths for of, p in layers if of != id(layer)), None)


def frozen(name: str, array: str) -> str:
    """Why a convolution of class `name` is left whose weight or kernel does not train."""
    return (
        f"expected a {array} that trains, received {name} with a frozen one; frozen=True replaces "
        "it, too"
    )


def shared(name: str, path: str) -> str:
    """Why a convolution is left that holds the array at `path` of another layer, too."""
    return f"expected arrays of its own, received {name} with one of {path}"


def wrapped(wrapper: str) -> str:
    """Why a convolution is left inside a wrapper that knows its parameters."""
    return (
        f"expected a network that is not wrapped yet, received {wrapper}, which continues with the "
        "parameters that it was made with; replace before wrapping"
    )


def _without_first(
    convs: Sequence[tuple[str, Conv]], transposed: Classes
) -> list[tuple[str, Conv]]:
    first = next((c for path, c in convs if path and not isinstance(c, transposed)), None)
    return [(path, conv) for path, conv in convs if conv is not first]


def _listed(convs: Sequence[tuple[str, Any]]) -> str:
    paths = [repr(path) for path, _ in convs[:_MOST_PATHS]]
    more = [f"and {len(convs) - _MOST_PATHS} more"] if len(convs) > _MOST_PATHS else []
    return ", ".join([*paths, *more]) or "the network, which has none"


def _count(spec: ConvSpec) -> int:
    return sum(prod(p.shape) for p in spec.parameters() if p.role.trainable)
