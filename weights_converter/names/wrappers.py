"""Parts that wrappers of a model, or of modules in it, put into the names of the arrays inside.

A network may have a child of such a name itself. So a part is taken off wherever it stands only if
the model has none that is called so; otherwise as few are taken off as lead to a layer of the
model.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from weights_converter.arrays.tensor import Checkpoint, Tensor
from weights_converter.errors import MismatchError, legible
from weights_converter.names.layouts import TENSORFLOW, owner_of
from weights_converter.names.prefixes import MODEL_PREFIXES, without_prefixes

WRAPPERS: Final[Mapping[str, str]] = {
    "module": "DataParallel, or an average of models",
    "_orig_mod": "torch.compile",
    "_checkpoint_wrapped_module": "activation checkpointing",
    "_fsdp_wrapped_module": "FullyShardedDataParallel",
    "_fpw_module": "FullyShardedDataParallel",
    "_forward_module": "Lightning Fabric",
    "_layers": "Paddle's DataParallel",
    "_layer": "Paddle's sharding",
}
_MOST_TRIED = 64  # layers of the model that differ in such parts alone
_MOST_NOTES = 8

Path = tuple[str, ...]


def unwrapped_names(
    checkpoint: Checkpoint, targets: Collection[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Each name -> the name without the parts of wrappers, and a note for each part.

    Args:
        checkpoint: with the names in the file.
        targets: canonical names of the model, where it is known.

    Raises:
        MismatchError: a prefix of a module around the model is on some names only.
    """
    owners = frozenset(map(owner_of, targets))
    # TensorFlow's names are the attributes of its own objects, `_layers` among them.
    known = () if checkpoint.layout == TENSORFLOW.name else tuple(WRAPPERS)
    held = {part for owner in owners for part in owner.split(".")}.intersection(known)
    free = frozenset(known) - held
    found = {name: _without(name, free) for name in checkpoint.tensors}
    prefixes = (*(f"{part}." for part in known if part in held), *MODEL_PREFIXES)
    found = without_prefixes(found, prefixes, targets, legible(checkpoint.path.name))
    if held:
        parts = held | {prefix.removesuffix(".") for prefix in MODEL_PREFIXES}
        layers = _layers_by_core(owners, parts)
        found = {name: _nearest(short, layers, parts) for name, short in found.items()}
    return found, tuple(_notes(found))


def without_doubles(
    checkpoint: Checkpoint, names: Mapping[str, str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """`names` without the second of two that have become one, where their arrays are equal.

    Raises:
        MismatchError: they differ.
    """
    first: dict[str, str] = {}
    notes: list[str] = []
    for wild, name in names.items():
        other = first.setdefault(name, wild)
        if other == wild:
            continue
        if not _equal(checkpoint.tensors[other], checkpoint.tensors[wild]):
            file = legible(checkpoint.path.name)
            raise MismatchError(
                f"{file}: {legible(other)} and {legible(wild)} both stand for {legible(name)}, "
                "and differ",
                help=f"leave one of them out, such as by --ignore {legible(wild)}",
            )
        notes.append(f"{legible(wild)} is equal to {legible(other)}, which was taken")
    if len(notes) > _MOST_NOTES:
        notes[_MOST_NOTES:] = [f"and {len(notes) - _MOST_NOTES} more arrays twice"]
    return {wild: name for name, wild in first.items()}, tuple(notes)


def _without(name: str, parts: Collection[str]) -> str:
    *owners, leaf = name.split(".")
    return ".".join([*(part for part in owners if part not in parts), leaf])


def _layers_by_core(owners: Collection[str], free: Collection[str]) -> Mapping[Path, list[Path]]:
    """A path without the parts `free` -> the layers whose path has those parts, longest first."""
    layers: dict[Path, list[Path]] = defaultdict(list)
    for owner in sorted(owners):
        path = tuple(owner.split("."))
        layers[_core(path, free)].append(path)
    for paths in layers.values():
        paths.sort(key=len, reverse=True)
    return layers


def _core(path: Sequence[str], free: Collection[str]) -> Path:
    return tuple(part for part in path if part not in free)


def _nearest(name: str, layers: Mapping[Path, list[Path]], free: Collection[str]) -> str:
    """The name of a layer that taking off the fewest of the parts `free` gives."""
    *parts, leaf = name.split(".")
    for layer in layers.get(_core(parts, free), ())[:_MOST_TRIED]:
        rest = iter(parts)
        if all(part in rest for part in layer):
            return ".".join([*layer, leaf])
    return name


def _notes(found: Mapping[str, str]) -> Iterator[str]:
    gone: Counter[str] = Counter()
    for name, short in found.items():
        if short != name:
            gone.update((Counter(name.split(".")) - Counter(short.split("."))).keys())
    for part, count in gone.items():
        why = WRAPPERS.get(part) or MODEL_PREFIXES[f"{part}."]
        number = "all" if count == len(found) else f"{count} of {len(found)}"
        yield f"stripped '{part}.' from {number} names: {why}"


def _equal(first: Tensor, second: Tensor) -> bool:
    if (first.dtype, first.shape) != (second.dtype, second.shape):
        return False
    return first.load().tobytes() == second.load().tobytes()
