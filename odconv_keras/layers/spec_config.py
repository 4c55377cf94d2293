"""Specs as the plain values that `get_config` may return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import odconv_spec


def spec_to_config(value: Any) -> Any:
    """A spec, which may hold specs and tuples of them, as dicts and lists of plain values."""
    if is_dataclass(value):
        own = {field.name: spec_to_config(getattr(value, field.name)) for field in fields(value)}
        return {"spec": type(value).__name__, **own}
    if isinstance(value, tuple):
        return [spec_to_config(item) for item in value]
    return value


def spec_from_config(config: Any) -> Any:
    """What `spec_to_config` described. Raises ValueError for a name that is no spec's."""
    if isinstance(config, Mapping):
        options = {key: spec_from_config(item) for key, item in config.items() if key != "spec"}
        return _spec_class(config.get("spec"))(**options)
    if isinstance(config, list | tuple):
        return tuple(spec_from_config(item) for item in config)
    return config


def _spec_class(name: Any) -> Any:
    # A config may come from a stranger's file: only what odconv_spec publishes is looked up.
    found = getattr(odconv_spec, name) if name in odconv_spec.__all__ else None
    if not is_dataclass(found):
        raise ValueError(f"spec: expected the name of a spec in odconv_spec, received {name!r}")
    return found
