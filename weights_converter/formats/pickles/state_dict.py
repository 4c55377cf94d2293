"""Finds the state dict in what a training script has saved, and the names the model gave."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from weights_converter.errors import DamagedError, UsageError, legible
from weights_converter.formats.files.array_names import check_name
from weights_converter.formats.files.source import Source
from weights_converter.formats.pickles.placeholders import objects_in, refuse_placeholders
from weights_converter.formats.pickles.values import Inert, OddKey, Unreadable

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "module", "weights")
_MOST_SHOWN = 8
_MOST_PACKED = 8
_TENSOR = 16  # objects that a tensor counts as, with all that it has


class StateDict(dict[str, object]):
    """The arrays of a module that was saved whole, and what it has besides."""

    def __init__(self) -> None:
        super().__init__()
        self._lost: dict[str, list[str]] = {}

    def leave_out(self, name: str, reason: str) -> None:
        self._lost.setdefault(reason, []).append(name)

    @property
    def left_out(self) -> dict[str, str]:
        """The first name for each reason, and how many more there are."""
        return {
            names[0]: f"{reason}, and {len(names) - 1} more" if names[1:] else reason
            for reason, names in self._lost.items()
        }


@dataclass(frozen=True)
class Found:
    """The values of the state dict by name, and what was beside it."""

    values: Mapping[str, object]
    scalars: Mapping[str, int | float | str]
    notes: tuple[str, ...]
    left_out: Mapping[str, str]


def find(
    source: Source, content: object, is_array: Callable[[object], bool], key: str | None
) -> Found:
    """The state dict in `content`: under `key`, under a wrapper's name, or `content` itself.

    Raises:
        UsageError: several state dicts are there and `key` does not choose, or `key` is wrong.
        DamagedError: there is no state dict.
        RefusedError: a name is unusable, or the state dict has something that is not known.
    """
    if not isinstance(content, dict):
        refuse_placeholders(source, [content])
        kind = content.name if isinstance(content, Inert) else type(content).__name__
        raise DamagedError(f"{source.name} holds a {legible(kind)}, not a state dict")
    chosen = _choose(source, content, is_array, key)
    state = content if chosen is None else content[chosen]
    arrays = {_checked(source, name): v for name, v in state.items() if is_array(v)}
    source.budget.charge_objects(_TENSOR * len(arrays))
    _refuse_unreadable(source, arrays)
    scalars = _scalars(content)
    inside = {name: value for name, value in state.items() if not is_array(value)}
    refuse_placeholders(source, [inside])
    beside = {} if chosen is None else {n: v for n, v in content.items() if n != chosen}
    others = {name: v for name, v in (beside | inside).items() if name not in scalars}
    notes = () if chosen is None else (f"the state dict is under {legible(chosen)!r}",)
    if others:
        notes = (*notes, f"left out: {_listed(others)}")
    left_out = {**_objects(source, others), **getattr(state, "left_out", {})}
    return Found(arrays, scalars, notes, left_out)


def _checked(source: Source, name: object) -> str:
    return check_name(source, name.key if isinstance(name, OddKey) else name)


def _choose(
    source: Source,
    content: dict[object, object],
    is_array: Callable[[object], bool],
    key: str | None,
) -> str | None:
    """The key of the state dict in `content`; None if it is `content` itself."""
    counts = {id(v): sum(map(is_array, v.values())) for v in distinct_dicts(content)}
    inside = {
        name: counts[id(value)]
        for name, value in content.items()
        if isinstance(name, str) and counts.get(id(value)) and not name.startswith("optim")
    }
    if key is not None:
        return _asked_for(source, content, inside, key)
    own = sum(map(is_array, content.values()))
    candidates = {
        name: n for name, n in inside.items() if _is_wrapper(name) or f"{name}_ema" in inside
    }
    candidates = candidates or {name: n for name, n in inside.items() if n >= own}
    if len(candidates) > 1:
        several = _listed(f"{name} ({n} tensors)" for name, n in candidates.items())
        raise UsageError(
            f"{source.name} holds several state dicts: {several}",
            f"choose one, for example --key {legible(list(candidates)[-1])}",
        )
    if candidates:
        return next(iter(candidates))
    if not own:
        refuse_placeholders(source, [content])
        raise DamagedError(f"{source.name} holds no state dict, only {_listed(content)}")
    return None


def distinct_dicts(content: Mapping[object, object]) -> Iterable[dict[object, object]]:
    """Those among the values, each once, however many names it has."""
    return {id(v): v for v in content.values() if isinstance(v, dict)}.values()


def _asked_for(
    source: Source, content: dict[object, object], inside: Mapping[str, int], key: str
) -> str:
    if key not in inside:
        refuse_placeholders(source, [content.get(key)])
        raise UsageError(
            f"{source.name} holds no state dict under {legible(key)!r}",
            f"its state dicts are {_listed(inside)}" if inside else "it has none",
        )
    return key


def unreadable(value: object) -> Unreadable | None:
    """The tensor of another kind that `value` is, or that is in it: quantised layers have pairs."""
    parts = value if type(value) is tuple and len(value) <= _MOST_PACKED else (value,)
    return next((part for part in parts if isinstance(part, Unreadable)), None)


def _refuse_unreadable(source: Source, values: Mapping[str, object]) -> None:
    for name, value in values.items():
        kind = unreadable(value)
        if kind is not None:
            raise source.unsupported(f"holds {kind.kind}: {legible(name)}", kind.help)


def _objects(source: Source, others: Mapping[object, object]) -> dict[str, str]:
    """The classes of what is beside the arrays, by name; plain values are not worth a word."""
    seen: set[int] = set()
    classes = {name: objects_in(source, value, seen) for name, value in others.items()}
    return {legible(str(name)): f"holds {found}" for name, found in classes.items() if found}


def _is_wrapper(name: str) -> bool:
    return name in _WRAPPERS or name.endswith("_ema") or name.startswith("ema")


def _scalars(content: dict[object, object]) -> dict[str, int | float | str]:
    return {
        name: value
        for name, value in content.items()
        if isinstance(name, str) and isinstance(value, int | float | str)
    }


def _listed(keys: Iterable[object]) -> str:
    every = list(keys)
    more = f" and {len(every) - _MOST_SHOWN} more" if len(every) > _MOST_SHOWN else ""
    return (", ".join(legible(str(key)) for key in every[:_MOST_SHOWN]) or "nothing") + more
