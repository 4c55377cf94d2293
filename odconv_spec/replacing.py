"""What replacing static convolutions has in common in all frameworks: the choice, the checks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from odconv_spec.choice import dynamic_kinds, spec_class
from odconv_spec.conv import ConvSpec
from odconv_spec.dynamic import DynamicConvSpec
from odconv_spec.rules import Candidate, Rule, Where, rule
from odconv_spec.stages import stages

_MOST_PATHS = 8  # in an error message
_OF_A_NETWORK = ("router", "stretch")  # options that name what a network shares between its layers


class Place(NamedTuple):
    """A convolution of a network.

    Attributes:
        path: where it is; empty for a lone convolution.
        conv: the framework's layer.
        spec: its geometry; None where it computes something else than a plain convolution.
        transposed: whether it is a transposed one, which is never the first.
    """

    path: str
    conv: Any
    spec: ConvSpec | None
    transposed: bool = False


def replacing_spec(kind: str, options: Mapping[str, Any]) -> type[DynamicConvSpec]:
    """The spec class of the layers that take the place of static ones.

    Args:
        kind: one of this project, such as "od", or of an installed package.
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
    # A network that exists calls its convolutions with their input only, and shares nothing.
    known = [field.name for field in spec.own_options() if field.name not in _OF_A_NETWORK]
    if unknown := sorted(set(options) - set(known)):
        raise ValueError(f"a {kind!r} convolution has the options {known}; received {unknown}")
    return spec


def choose(
    places: Iterable[Place], where: Where | Callable[[str, Any], bool] | None = None
) -> list[Place]:
    """The static convolutions to replace, each once and with its first path.

    Args:
        places: each that holds a convolution, in the order of the network.
        where: the rule of `replace_convs`. By default all but the first, which the papers keep
            static; a lone convolution is chosen.

    Returns:
        Some of the places.

    Raises:
        ValueError: none is chosen, or a rule has unknown words.
    """
    by_identity: dict[int, Place] = {}
    for place in places:
        by_identity.setdefault(id(place.conv), place)
    convs = list(by_identity.values())
    first = next((p for p in convs if p.path and not p.transposed), None)
    if where is None:
        chosen = [place for place in convs if place is not first]
    elif callable(where):
        chosen = [place for place in convs if where(place.path, place.conv)]
    else:
        chosen = _by_rule(convs, first, rule(where))
    if not chosen:
        raise ValueError(f"where: expected to choose a static convolution of {_listed(convs)}")
    return chosen


def _by_rule(convs: Sequence[Place], first: Place | None, rule: Rule) -> list[Place]:
    numbers = stages([(place.path, place.spec) for place in convs])
    chosen = [
        place
        for place, stage in zip(convs, numbers, strict=True)
        if rule.chooses(Candidate(place.path, place.spec, stage, place is first))
    ]
    if convs and not chosen:
        raise ValueError(
            f"where: expected to choose a static convolution of {_listed(convs)}, in stages "
            f"{min(numbers)} to {max(numbers)}; received {rule}, which chooses none"
        )
    return chosen


def divide(
    chosen: Iterable[tuple[Place, str | None]],
    spec: type[DynamicConvSpec],
    options: Mapping[str, Any],
) -> tuple[list[Place], list[tuple[str, str]]]:
    """Which of the chosen convolutions are replaced, and which are left.

    A kind may have no layer of some widths, groups or kernels: these are left, too.

    Args:
        chosen: the places, each with the framework's reason to leave it; None if there is none.
        spec: of the layers that take their places.
        options: of these.

    Returns:
        The places to replace, and the path of each other with the reason.

    Raises:
        ValueError: the kind can replace none of them, as of an option out of range.
    """
    replaced, left, refused = [], [], {}
    for place, reason in chosen:
        if reason is None and (reason := _refusal(place, spec, options)):
            refused[place.path] = reason
        if reason is None:
            replaced.append(place)
        else:
            left.append((place.path, reason))
    if refused and not replaced:
        raise ValueError(_none_of(refused, spec))
    return replaced, left


def _refusal(place: Place, spec: type[DynamicConvSpec], options: Mapping[str, Any]) -> str | None:
    """Why a kind has no layer of that geometry with these options; None if it has one."""
    if place.spec is None:
        return None
    try:
        spec.of_rank(spec.ranks, place.spec.rank)
        spec(**place.spec.options(), rank=place.spec.rank, **options)
    except ValueError as error:
        return str(error)
    return None


def _none_of(refused: Mapping[str, str], spec: type[DynamicConvSpec]) -> str:
    """The message: one reason for all, or the first few with their paths."""
    reasons = set(refused.values())
    if len(reasons) == 1:
        return reasons.pop()
    lines = [f"{path}: {reason}" for path, reason in refused.items()][:_MOST_PATHS]
    more = [f"and {len(refused) - _MOST_PATHS} more"] if len(refused) > _MOST_PATHS else []
    return f"{spec.title()} can replace none of the convolutions: {'; '.join([*lines, *more])}"


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


def _listed(convs: Sequence[Place]) -> str:
    paths = [repr(place.path) for place in convs[:_MOST_PATHS]]
    more = [f"and {len(convs) - _MOST_PATHS} more"] if len(convs) > _MOST_PATHS else []
    return ", ".join([*paths, *more]) or "the network, which has none"
