"""From the names in a file to canonical names and roles, by the grammar of canonical names alone.

Needed where the model is still to be found out. Once its spec is known, names and roles come from
the spec.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from odconv_spec import Parameter, Role
from weights_converter.layouts import TORCH, Layout

NORM = (Role.NORM_SCALE, Role.NORM_SHIFT, Role.NORM_MEAN, Role.NORM_VARIANCE)
LAYER_NORM = (Role.NORM_SCALE, Role.NORM_SHIFT)
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
    last = owner.rpartition(".")[2]
    if layout.file_name("", Role.NORM_VARIANCE) in leaves[owner]:
        return NORM
    if last == "ln":
        return LAYER_NORM
    if last == "attention":
        return ()
    if last == "routing":
        return LINEAR
    if _mixes(owner, leaves):
        return DYNAMIC
    if owner == "fc" or owner.startswith("classifier."):
        return LINEAR
    return CONV


def _mixes(owner: str, paths: Collection[str]) -> bool:
    """Whether the layer mixes kernels: it has an attention or a router, or its block has one."""
    prefix = f"{owner}.".lstrip(".")
    if any(path.startswith((f"{prefix}attention.", f"{prefix}routing")) for path in paths):
        return True
    parts = owner.split(".")
    blocks = (".".join(parts[:end]) for end in range(1, len(parts)))
    # The projection of a block's shortcut is static where the block has a router.
    return "downsample" not in parts and any(f"{block}.routing" in paths for block in blocks)
