"""Finds the weights in modules that were saved whole, as `torch.save(model)` does.

Such a file names the classes of the model, which torch imports and runs. Here their names are only
text; what counts are the three dicts in which every module keeps its arrays and its parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from weights_converter.errors import legible
from weights_converter.formats.files.source import Source
from weights_converter.formats.pickles.calls import PYTHON_CLASSES
from weights_converter.formats.pickles.state_dict import StateDict
from weights_converter.formats.pickles.values import Inert, Unreadable
from weights_converter.formats.pytorch.views import View

_PARAMETERS, _BUFFERS, _PARTS = "_parameters", "_buffers", "_modules"
_UNSAVED = "_non_persistent_buffers_set"
_DEEPEST = 64
# What modules have among their attributes that holds no weights: sizes, options, bound methods.
_PLAIN = PYTHON_CLASSES | {
    f"{module}.{name}"
    for module in ("builtins", "__builtin__")
    for name in ("set", "frozenset", "getattr")
}


def opened(source: Source, content: object) -> tuple[object, tuple[str, ...]]:
    """`content` with the state dict of each module in the module's place, and notes about it.

    Raises:
        RefusedError: a module is part of itself, or has more parts than its file can hold.
    """
    if is_module(content):
        return state_dict(source, content), (_note(content),)
    if not isinstance(content, dict):
        return content, ()
    modules = {name: value for name, value in content.items() if is_module(value)}
    states = {name: state_dict(source, module) for name, module in modules.items()}
    return content | states, tuple(_note(module) for module in modules.values())


def is_module(value: object) -> bool:
    return isinstance(value, Inert) and _dict_in(value, _PARAMETERS) is not None


def state_dict(source: Source, module: object) -> StateDict:
    """What `module.state_dict()` would return: dotted names, in the order of torch."""
    found = StateDict()
    waiting = [("", module, 0)]
    while waiting:
        prefix, module, depth = waiting.pop()
        if depth > _DEEPEST:
            raise source.refused(f"its modules are nested more than {_DEEPEST} deep")
        parameters, buffers, parts = _contents(source, module)
        unsaved = _unsaved(source, module)
        saved = {name: value for name, value in buffers.items() if name not in unsaved}
        for name, value in (parameters | saved).items():
            if type(value) in (View, Unreadable):
                found[_name(source, prefix, name)] = value
        for name, reason in _lost(module, buffers, parts, unsaved):
            found.leave_out(_name(source, prefix, name), reason)
        waiting += [
            (_name(source, prefix, f"{name}."), part, depth + 1)
            for name, part in reversed(parts.items())
            if is_module(part)
        ]
    return found


def _contents(source: Source, module: object) -> list[dict[object, object]]:
    """The parameters, buffers and parts of a module. Raises where one of them is not known."""
    dicts = [_dict_in(module, part) or {} for part in (_PARAMETERS, _BUFFERS, _PARTS)]
    source.budget.charge_objects(1 + sum(map(len, dicts)) + len(_state(module)))
    for value in chain.from_iterable(values.values() for values in dicts):
        error = getattr(value, "error", None)
        if error is not None:
            raise error
    return dicts


def _unsaved(source: Source, module: object) -> set[object]:
    names = _state(module).get(_UNSAVED)
    listed = names.state if isinstance(names, Inert) and type(names.state) is list else []
    source.budget.charge_objects(len(listed))
    return {name for name in listed if isinstance(name, str)}


def _lost(
    module: object,
    buffers: Mapping[object, object],
    parts: Mapping[object, object],
    unsaved: set[object],
) -> Iterator[tuple[object, str]]:
    """The name and the reason of what is not taken from a module, and could be missed."""
    for name, value in buffers.items():
        if name in unsaved and type(value) is View:
            yield name, "a buffer that its module does not save"
    for name, value in parts.items():
        if value is not None and not is_module(value):
            yield name, "a part that is no module"
    for name, value in _state(module).items():
        if type(value) is View:
            yield name, "a tensor that is no parameter and no buffer"
        elif isinstance(value, Inert) and value.name not in _PLAIN:
            yield name, f"an object of {legible(value.name)}"


def _name(source: Source, prefix: str, name: object) -> str:
    full = f"{prefix}{name}"
    source.budget.charge_objects(3, text=len(full))
    return full


def _dict_in(module: object, part: str) -> dict[object, object] | None:
    value = _state(module).get(part)
    return value if isinstance(value, dict) else None


def _state(module: object) -> dict[object, object]:
    state = module.state if isinstance(module, Inert) else None
    return state if isinstance(state, dict) else {}


def _note(module: object) -> str:
    name = legible(module.name) if isinstance(module, Inert) else ""
    return f"took the weights from a whole module of class {name}, without making one"
