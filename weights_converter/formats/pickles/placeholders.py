"""Finds what could not be read among the values of a pickle, however deep it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from weights_converter.errors import legible
from weights_converter.formats.files.source import Source
from weights_converter.formats.pickles.numpy_arrays import PickledArray
from weights_converter.formats.pickles.values import Global, Inert, OddKey

_MOST_SHOWN = 3
_PLAIN = {str, int, float, bool, bytes, type(None)}
_COMPOSED = (dict, list, tuple, Inert, OddKey, PickledArray)


def refuse_placeholders(source: Source, values: Iterable[object]) -> None:
    """Raises RefusedError if something among `values`, or within, is no plain value.

    It might be an array in a form that we do not know, which must not get lost.
    """
    for value in _walk(source, values, set()):
        error = getattr(value, "error", None)
        if error is not None:
            raise error


def objects_in(source: Source, value: object, seen: set[int]) -> str:
    """The classes of the objects that `value` is or has within; "" if all is plain.

    Args:
        seen: Identities of what was looked at before, which is left out.
    """
    found = _walk(source, [value], seen)
    names = dict.fromkeys(v.name for v in found if isinstance(v, Global | Inert))
    more = [f"{len(names) - _MOST_SHOWN} more"] if len(names) > _MOST_SHOWN else []
    return ", ".join([*map(legible, list(names)[:_MOST_SHOWN]), *more])


def _walk(source: Source, values: Iterable[object], seen: set[int]) -> Iterator[object]:
    """The values that are not plain and all that they consist of; what is shared comes once."""
    waiting = [iter(values)]
    while waiting:
        for value in waiting[-1]:
            if type(value) in _PLAIN or id(value) in seen:
                continue
            yield value
            if isinstance(value, _COMPOSED):
                source.budget.charge_objects(3)
                seen.add(id(value))
                waiting.append(_parts(value))
                break
        else:
            waiting.pop()


def _parts(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        return chain(value, value.values())
    if isinstance(value, list | tuple):
        return iter(value)
    parts = (getattr(value, name, None) for name in ("state", "key", "unknown"))
    return (part for part in parts if part is not None)
