"""From the names in a file to canonical names and roles, by the grammar of canonical names alone.

Needed where the model is still to be inferred. Once its spec is known, names and roles come from
the spec.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from functools import cache

from odconv_spec import Parameter
from odconv_spec.choice import dynamic_kinds
from odconv_spec.models import families
from odconv_spec.parameters import CONV, DYNAMIC, LINEAR, NORM, Role
from odconv_spec.recalibrations import RECALIBRATIONS
from odconv_spec.warehouse import LIST, MANAGER
from weights_converter.names.layouts import TORCH, Layout
from weights_converter.names.mixers import mixers, routers

# A warehouse of cells, with or without the part that Keras' path lacks.
_WAREHOUSE = re.compile(rf"(?:^|\.){MANAGER}\.(?:{LIST}\.)?\d+$")


def canonical_parameters(
    shapes: Mapping[str, tuple[int, ...]], layout: Layout
) -> dict[str, Parameter]:
    """The parameter that each stored array would be; arrays without a role are left out."""
    leaves = _leaves_by_owner(shapes, layout)
    mixing = _with_mixer(leaves)
    blocks = {path.rpartition(".")[0] for path in leaves if path.rpartition(".")[2] in routers()}
    linear, inner = _linear_paths(leaves), _inner_roles(leaves)
    found: dict[str, Parameter] = {}
    for owner, names in leaves.items():
        mixes = owner in mixing or _routed_by_its_block(owner, blocks)
        for role in inner.get(owner) or _roles(owner, names, mixes, linear, layout):
            stored = names.get(layout.file_name("", role))
            if stored is not None and layout.rows[role].fits(len(shapes[stored])):
                name = TORCH.file_name(layout.canonical_owner(owner, role), role)
                shape = layout.canonical_shape(role, shapes[stored])
                found[stored] = Parameter(name, role, shape)
    return found


def _leaves_by_owner(names: Iterable[str], layout: Layout) -> dict[str, dict[str, str]]:
    """owner's path -> {leaf as `file_name` spells it without an owner: name in the file}"""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for name in names:
        if layout.numbered:
            owner, _, slot = name.rpartition("vars/")
            owner, leaf = owner.rstrip("/").replace("/", "."), f"vars/{slot}"
        else:
            owner, _, leaf = (name, "", "") if _WAREHOUSE.search(name) else name.rpartition(".")
        found[owner][leaf] = name
    return dict(found)


def _roles(
    owner: str,
    leaves: Collection[str],
    mixes: bool,
    linear: tuple[str, ...],
    layout: Layout,
) -> tuple[Role, ...]:
    if layout.file_name("", Role.NORM_VARIANCE) in leaves:
        return NORM
    if _WAREHOUSE.search(owner):
        return (Role.CELLS,)
    mixer, inside = _mixer_of(owner)
    if inside in mixers().get(mixer, ()):
        return mixers()[mixer][inside]
    if mixer and not inside:
        return ()  # it has a temperature at most
    if mixes:
        return DYNAMIC
    is_linear = owner in _heads() or f".{owner}".endswith(linear)
    return LINEAR if is_linear else CONV


def _mixer_of(owner: str) -> tuple[str, str]:
    """The last mixer on the path of a layer, and the path inside it; empty where there is none."""
    parts = owner.split(".")
    for index in reversed(range(len(parts))):
        if parts[index] in mixers():
            return parts[index], ".".join(parts[index + 1 :])
    return "", ""


def _with_mixer(paths: Iterable[str]) -> set[str]:
    """The owners of mixers with arrays; "" where the whole file is one layer."""
    found = set()
    for path in paths:
        parts = path.split(".")
        for index, part in enumerate(parts):
            # A mixer that has no arrays itself has layers.
            if part in mixers() and (index + 1 < len(parts) or "" in mixers()[part]):
                found.add(".".join(parts[:index]))
    return found


@cache
def _heads() -> frozenset[str]:
    """Paths of classifiers, which are linear layers where nothing mixes their kernels."""
    return frozenset(spec.head_path for spec in families().values())


def _linear_paths(owners: Iterable[str]) -> tuple[str, ...]:
    """Ends of the paths of linear layers that are no classifiers.

    Those of a kind of convolution count where the file shows the kind, because others may have
    convolutions of the same names.
    """
    found = [f".{path}" for kind in RECALIBRATIONS.values() for path in kind.linear]
    dotted = [f".{owner}" for owner in owners]
    for kind in dynamic_kinds():
        sign = f".{kind.sign.rpartition('.')[0]}"
        if kind.linear and any(path.endswith(sign) for path in dotted):
            found += [f".{path}" for path in kind.linear]
    return tuple(found)


def _inner_roles(owners: Collection[str]) -> dict[str, tuple[Role, ...]]:
    """Path of a layer -> roles, of those that the kinds in the file say themselves."""
    found: dict[str, tuple[Role, ...]] = {}
    for kind in dynamic_kinds():
        sign = f".{kind.sign.rpartition('.')[0]}"
        layers = [path.removesuffix(sign) for o in owners if (path := f".{o}").endswith(sign)]
        for layer in layers if kind.inner_roles else ():
            for path, roles in kind.inner_roles.items():
                found[f"{layer}.{path}".strip(".")] = roles
    return found


@cache
def _unrouted() -> frozenset[str]:
    return frozenset().union(*(spec.unrouted for spec in families().values()))


def _routed_by_its_block(owner: str, routed: Collection[str]) -> bool:
    """Whether a router of its block mixes the layer's kernels."""
    parts = owner.split(".")
    blocks = (".".join(parts[:end]) for end in range(1, len(parts)))
    return (
        bool(routed) and _unrouted().isdisjoint(parts) and any(block in routed for block in blocks)
    )
