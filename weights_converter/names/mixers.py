"""Sub-layers that weigh the kernels of a dynamic convolution, of every kind that there is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from odconv_spec.choice import bank_kinds
from odconv_spec.parameters import Role


@cache
def mixers() -> Mapping[str, Mapping[str, tuple[Role, ...]]]:
    """Name of a mixer -> path in it -> roles of the arrays there, see `KernelBankSpec`."""
    found: dict[str, dict[str, tuple[Role, ...]]] = {}
    for kind in bank_kinds():
        found.setdefault(kind.mixer, {}).update(kind.mixer_roles)
    return found


@cache
def routers() -> frozenset[str]:
    """Names of mixers that may serve all convolutions of a block."""
    return frozenset(kind.mixer for kind in bank_kinds() if "router" in kind.placed)


def path_with_temperature(name: str) -> str:
    """The path of the mixer with a temperature that an array belongs to, "" if there is none."""
    parts = name.split(".")
    first = next((index for index, part in enumerate(parts) if part in _with_temperature()), -1)
    return ".".join(parts[: first + 1])


@cache
def _with_temperature() -> frozenset[str]:
    return frozenset(kind.mixer for kind in bank_kinds() if kind.has_temperature)
