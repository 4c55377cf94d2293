"""From the names in a file to canonical names and roles, by the grammar of canonical names alone.

Needed where the model is still to be inferred. Once its spec is known, names and roles come from
the spec.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from odconv_spec import Parameter, Role
from weights_converter.names.layouts import TORCH, Layout

NORM = (Role.NORM_SCALE, Role.NORM_SHIFT, Role.NORM_MEAN, Role.NORM_VARIANCE)
LAYER_NORM = (Role.NORM_SCALE, Role.NORM_SHIFT)
LINEAR = (Role.LINEAR_KERNEL, Role.BIAS)
DYNAMIC = (Role.EXPERT_KERNELS, Role.BIAS)
CONV = (Role.CONV_KERNEL, Role.BIAS)
_ROUTER = ".routing"


def canonical_parameters(
    shapes: Mapping[str, tuple[int, ...]], layout: Layout
) -> dict[str, Parameter]:
    """The parameter that each stored array would be; arrays without a role are left out."""
    leaves = _leaves_by_owner(shapes, layout)
    mixing = _with_attention_or_router(leaves)
    blocks = {path.removesuffix(_ROUTER) for path in leaves if path.endswith(_ROUTER)}
    found: dict[str, Parameter] = {}
    for owner, names in leaves.items():
        mixes = owner in mixing or _routed_by_its_block(owner, blocks)
        for role in _roles(owner, names, mixes, layout):
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


def _roles(
    owner: str,
    leaves: Collection[str],
    mixes: bool,
    layout: Layout,
) -> tuple[Role, ...]:
    last = owner.rpartition(".")[2]
    if layout.file_name("", Role.NORM_VARIANCE) in leaves:
        return NORM
    if last == "ln":
        return LAYER_NORM
    if last == "attention":
        return ()
    if last == "routing":
        return LINEAR
    if mixes:
        return DYNAMIC
    if owner == "fc" or owner.startswith("classifier."):
        return LINEAR
    return CONV


def _with_attention_or_router(paths: Iterable[str]) -> set[str]:
    """Their owners; "" where the whole file is one layer."""
    found = set()
    for path in paths:
        parts = path.split(".")
        for index, part in enumerate(parts):
            inner = part == "attention" and index + 1 < len(parts)
            if inner or part == "routing":
                found.add(".".join(parts[:index]))
    return found


def _routed_by_its_block(owner: str, routed: Collection[str]) -> bool:
    """Whether a router of its block mixes the layer's kernels, as `layer1.0.routing` does."""
    parts = owner.split(".")
    # The projection of a block's shortcut is static where the block has a router.
    blocks = (".".join(parts[:end]) for end in range(1, len(parts)))
    return bool(routed) and "downsample" not in parts and any(block in routed for block in blocks)
