"""From the names in a file to canonical names and roles, by the grammar of canonical names alone.

Needed where the model is still to be found out. Once its spec is known, names and roles come from
the spec.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from odconv_spec import Parameter, Role
from weights_converter.layouts import TORCH, Layout

NORM = (Role.NORM_SCALE, Role.NORM_SHIFT, Role.NORM_MEAN, Role.NORM_VARIANCE)
LINEAR = (Role.LINEAR_KERNEL, Role.BIAS)
DYNAMIC = (Role.EXPERT_KERNELS, Role.BIAS)
CONV = (Role.CONV_KERNEL, Role.BIAS)


def canonical_parameters(
    shapes: Mapping[str, tuple[int, ...]], layout: Layout
) -> dict[str, Parameter]:
    """The parameter that each stored array would be; arrays without a role are left out."""
    leaves = _leaves_by_owner(shapes, layout)
    found: dict[str, Parameter] = {}
    for owner, names in leaves.items():
        for role in _roles(owner, leaves, layout):
            stored = names.get(layout.file_name("", role))
            if stored is not None:
                name = TORCH.file_name(owner, role)
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
            owner, _, leaf = name.rpartition(".")
        found[owner][leaf] = name
    return dict(found)


def _roles(owner: str, leaves: Mapping[str, Mapping[str, str]], layout: Layout) -> tuple[Role, ...]:
    attention = f"{owner}.attention".lstrip(".")
    if layout.file_name("", Role.NORM_VARIANCE) in leaves[owner]:
        return NORM
    if owner == "attention" or owner.endswith(".attention"):
        return ()
    if any(other.startswith(f"{attention}.") for other in leaves):
        return DYNAMIC
    if owner == "fc" or owner.startswith("classifier."):
        return LINEAR
    return CONV
