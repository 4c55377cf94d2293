"""Finds the state dict in what a training script has saved, and the names the model gave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from weights_converter.errors import DamagedError, UsageError, legible
from weights_converter.formats.files.array_names import check_name
from weights_converter.formats.files.source import Source
from weights_converter.formats.pickles.values import Inert

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "module", "weights")
_MOST_SHOWN = 8


@dataclass(frozen=True)
class Found:
    """The values of the state dict by name, and what was beside it."""

    values: Mapping[str, object]
    scalars: Mapping[str, int | float | str]
    notes: tuple[str, ...]


def find(
    source: Source, content: object, is_array: Callable[[object], bool], key: str | None
) -> Found:
    """The state dict in `content`: under `key`, under a wrapper's name, or `content` itself.

    Raises:
        UsageError: several state dicts are there and `key` does not choose, or `key` is wrong.
        DamagedError: there is no state dict.
        RefusedError: a name is unusable.
    """
    if not isinstance(content, dict):
        kind = content.name if isinstance(content, Inert) else type(content).__name__
        raise DamagedError(f"{source.name} holds a {legible(kind)}, not a state dict")
    chosen = _choose(source, content, is_array, key)
    state = content if chosen is None else content[chosen]
    arrays = {check_name(source, name): v for name, v in state.items() if is_array(v)}
    notes = () if chosen is None else (f"the state dict is under {legible(chosen)!r}",)
    scalars = _scalars(content)
    beside = [] if chosen is None else [name for name in content if name != chosen]
    others = beside + [name for name, value in state.items() if not is_array(value)]
    left_out = [name for name in others if name not in scalars]
    if left_out:
        notes = (*notes, f"left out: {_listed(left_out)}")
    return Found(arrays, scalars, notes)


def _choose(
    source: Source,
    content: dict[object, object],
    is_array: Callable[[object], bool],
    key: str | None,
) -> str | None:
    """The key of the state dict in `content`; None if it is `content` itself."""
    inside = {
        name: sum(map(is_array, value.values()))
        for name, value in content.items()
        if isinstance(name, str) and isinstance(value, dict) and not name.startswith("optim")
    }
    inside = {name: count for name, count in inside.items() if count}
    if key is not None:
        return _asked_for(source, inside, key)
    own = sum(map(is_array, content.values()))
    candidates = {name: n for name, n in inside.items() if _is_wrapper(name)}
    candidates = candidates or {name: n for name, n in inside.items() if n >= own}
    if len(candidates) > 1:
        several = ", ".join(f"{legible(name)} ({n} tensors)" for name, n in candidates.items())
        raise UsageError(
            f"{source.name} holds several state dicts: {several}",
            f"choose one, for example --key {legible(list(candidates)[-1])}",
        )
    if candidates:
        return next(iter(candidates))
    if not own:
        raise DamagedError(f"{source.name} holds no state dict, only {_listed(content)}")
    return None


def _asked_for(source: Source, inside: Mapping[str, int], key: str) -> str:
    if key not in inside:
        known = ", ".join(map(legible, inside)) or "none"
        raise UsageError(
            f"{source.name} holds no state dict under {legible(key)!r}", f"state dicts: {known}"
        )
    return key


def _is_wrapper(name: str) -> bool:
    return name in _WRAPPERS or name.endswith("_ema") or name.startswith("ema")


def _scalars(content: dict[object, object]) -> dict[str, int | float | str]:
    return {
        name: value
        for name, value in content.items()
        if isinstance(name, str) and isinstance(value, int | float | str)
    }


def _listed(keys: object) -> str:
    names = [legible(str(key)) for key in keys]  # type: ignore[attr-defined]
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return (", ".join(names[:_MOST_SHOWN]) or "nothing") + more
