"""Finds the weights in modules that were saved whole, as `torch.save(model)` does.

Such a file names the classes of the model, which torch imports and runs. Here their names are only
text; what counts are the three dicts in which every module keeps its arrays and its parts.
"""

from __future__ import annotations

from weights_converter.errors import legible
from weights_converter.formats.files.source import Source
from weights_converter.formats.pickles.values import Inert, Unreadable
from weights_converter.formats.pytorch.views import View

_UNSAVED = "_non_persistent_buffers_set"
_DEEPEST = 64
_MOST = 100_000


def opened(source: Source, content: object) -> tuple[object, tuple[str, ...]]:
    """`content` with the state dict of each module in the module's place, and notes about it.

    Raises:
        RefusedError: a module is part of itself, or has more parts than a network can have.
    """
    if is_module(content):
        return state_dict(source, content), (_note(content),)
    if not isinstance(content, dict):
        return content, ()
    modules = {name: value for name, value in content.items() if is_module(value)}
    states = {name: state_dict(source, module) for name, module in modules.items()}
    return content | states, tuple(_note(module) for module in modules.values())


def is_module(value: object) -> bool:
    return isinstance(value, Inert) and _dict_in(value, "_parameters") is not None


def state_dict(source: Source, module: object) -> dict[str, object]:
    """What `module.state_dict()` would return: dotted names, in the order of torch."""
    found: dict[str, object] = {}
    waiting = [("", module, 0)]
    for _ in range(_MOST):
        if not waiting:
            return found
        prefix, module, depth = waiting.pop()
        if depth > _DEEPEST:
            raise source.refused(f"its modules are nested more than {_DEEPEST} deep")
        found.update(_arrays(module, prefix))
        parts = (_dict_in(module, "_modules") or {}).items()
        children = [(f"{prefix}{name}.", part, depth + 1) for name, part in parts]
        waiting += [child for child in reversed(children) if is_module(child[1])]
    raise source.refused(f"it has more than {_MOST} modules")


def _arrays(module: object, prefix: str) -> dict[str, object]:
    parameters = _dict_in(module, "_parameters") or {}
    buffers = _dict_in(module, "_buffers") or {}
    unsaved = _unsaved(module)
    kept = {name: value for name, value in buffers.items() if name not in unsaved}
    arrays = {**parameters, **kept}
    return {
        f"{prefix}{name}": value
        for name, value in arrays.items()
        if type(value) in (View, Unreadable)
    }


def _unsaved(module: object) -> list[object]:
    state = module.state if isinstance(module, Inert) else None
    names = state.get(_UNSAVED) if isinstance(state, dict) else None
    return names.state if isinstance(names, Inert) and type(names.state) is list else []


def _dict_in(module: object, part: str) -> dict[object, object] | None:
    state = module.state if isinstance(module, Inert) else None
    value = state.get(part) if isinstance(state, dict) else None
    return value if isinstance(value, dict) else None


def _note(module: object) -> str:
    name = legible(module.name) if isinstance(module, Inert) else ""
    return f"took the weights from a whole module of class {name}, without making one"
