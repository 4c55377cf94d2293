"""From the names that a file has to the names that the model has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np

from odconv_spec.choice import dynamic_kinds
from weights_converter.arrays.dtypes import CARRIERS, Array
from weights_converter.arrays.tensor import Checkpoint, Tensor
from weights_converter.errors import MismatchError, RefusedError, legible
from weights_converter.identify.stand_ins import refuse_small_integers, refuse_stand_ins
from weights_converter.names.counters import without_counters
from weights_converter.names.dialect_rules import Dialect, Zeros
from weights_converter.names.dialect_tables import dialects
from weights_converter.names.folding import folded
from weights_converter.names.layouts import LAYOUTS, TENSORFLOW, owner_of
from weights_converter.names.lookalikes import refuse_lookalikes
from weights_converter.names.megengine import with_shapes_of_torch
from weights_converter.names.prefixes import without_root
from weights_converter.names.wrappers import unwrapped_names, without_doubles

_MOST_SHOWN = 4
_MOST_TEXT = 1 << 22  # characters of all names: dozens of patterns are tried on each


def translated(checkpoint: Checkpoint, targets: Collection[str] | None = None) -> Checkpoint:
    """The checkpoint with the names of the model, whatever wrappers and dialects made of them.

    Counters that tools leave behind are taken out, and arrays that stand for another one are folded
    into it.

    Args:
        checkpoint: with the names in the file.
        targets: canonical names of the model, where it is known. A file that has them all is left
            alone, and so is whatever they have themselves.

    Raises:
        MismatchError: a prefix is on some names only, two names stand for one array, arrays belong
            to nothing that is known, or the arrays are of a layer that only looks like ours.
        RefusedError: arrays stand for others that cannot be had from them, as in int8, or there are
            more or longer names than any model has.
    """
    length = sum(map(len, checkpoint.tensors))
    if length > _MOST_TEXT:
        raise RefusedError(
            f"{legible(checkpoint.path.name)} refused: its {len(checkpoint.tensors)} names have "
            f"{length} characters, the most is {_MOST_TEXT}"
        )
    if checkpoint.layout == TENSORFLOW.name:
        checkpoint = renamed(checkpoint, *without_root(checkpoint.tensors, targets))
    refuse_small_integers(checkpoint)
    if LAYOUTS[checkpoint.layout].numbered:  # whose names say nothing about the code
        return checkpoint
    checkpoint = with_shapes_of_torch(without_counters(checkpoint, targets or ()))
    if targets is not None and checkpoint.tensors.keys() >= set(targets):
        refuse_stand_ins(checkpoint, targets)
        return checkpoint
    checkpoint = folded(_unwrapped(checkpoint, targets or ()))
    refuse_stand_ins(checkpoint, targets or ())
    for dialect in dialects():
        if dialect.spoken(checkpoint.tensors) and not dialect.spoken(targets or ()):
            checkpoint = _in_canonical_names(checkpoint, dialect, set(map(owner_of, targets or ())))
    refuse_lookalikes(checkpoint, targets or ())
    return _completed(checkpoint)


def _unwrapped(checkpoint: Checkpoint, targets: Collection[str]) -> Checkpoint:
    names, notes = unwrapped_names(checkpoint, targets)
    single, doubles = without_doubles(checkpoint, names)
    return renamed(checkpoint, single, (*notes, *doubles))


def _in_canonical_names(
    checkpoint: Checkpoint, dialect: Dialect, owners: Collection[str]
) -> Checkpoint:
    left_out = [name for name in checkpoint.tensors if dialect.leaves_out(name)]
    kept = [name for name in checkpoint.tensors if not dialect.leaves_out(name)]
    _check_known(checkpoint, dialect, kept)
    notes: tuple[str, ...] = (f"its names are those of {dialect.name}",)
    if left_out:
        parts = sorted({name.partition(dialect.separator)[0] for name in left_out})
        notes += (f"left out {len(left_out)} arrays of {', '.join(parts)}",)
    names = {name: dialect.canonical(name, owners) for name in kept}
    found = renamed(checkpoint, names, notes)
    added = dict(_zeros(found.tensors, dialect.zeros))
    return replace(
        found,
        tensors={**found.tensors, **added},
        layout=dialect.layout or found.layout,
        notes=(*found.notes, *(f"{name}, which the file does not have, is 0" for name in added)),
    )


def _completed(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with the arrays that the code of its layers makes anew and does not save."""
    shapes = {name: tensor.shape for name, tensor in checkpoint.tensors.items()}
    tensors, notes = dict(checkpoint.tensors), list(checkpoint.notes)
    for kind in dynamic_kinds():
        made = kind.unsaved(shapes)
        for name, (shape, make) in made.items():
            tensors[name] = Tensor(name, "I64", shape, partial(make, np))
        if made:
            first = legible(next(iter(made)))
            notes.append(
                f"{len(made)} arrays that the code of {kind.title()} does not save are made by "
                f"its rule, which another process may have rounded otherwise: {first}"
            )
    return replace(checkpoint, tensors=tensors, notes=tuple(notes))


def _check_known(checkpoint: Checkpoint, dialect: Dialect, names: list[str]) -> None:
    """Raises MismatchError where a detector has parts beside those that are left out."""
    if not dialect.left_out:
        return
    strange = [legible(name) for name in names if dialect.canonical(name) == name]
    if strange:
        raise MismatchError(
            f"{legible(checkpoint.path.name)} has the names of {dialect.name}, but {len(strange)} "
            f"arrays are of no part that is known: {', '.join(strange[:_MOST_SHOWN])}",
            help=f"known beside the backbone are {', '.join(dialect.left_out)}",
        )


def renamed(checkpoint: Checkpoint, names: Mapping[str, str], notes: tuple[str, ...]) -> Checkpoint:
    """The arrays called `names`; those that are not in it are left out."""
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    if twice:
        first, second = islice((wild for wild, name in names.items() if name == twice[0]), 2)
        raise MismatchError(
            f"{legible(checkpoint.path.name)}: {legible(first)} and {legible(second)} both stand "
            f"for {legible(twice[0])}"
        )
    tensors = {name: checkpoint.tensors[wild].renamed(name) for wild, name in names.items()}
    return replace(checkpoint, tensors=tensors, notes=(*checkpoint.notes, *notes))


def _zeros(
    tensors: Mapping[str, Tensor], wanted: tuple[Zeros, ...]
) -> Iterator[tuple[str, Tensor]]:
    for zeros in wanted:
        like = tensors.get(zeros.like)
        if zeros.name not in tensors and like is not None and len(like.shape) > zeros.axis:
            yield zeros.name, _zero(zeros.name, like.dtype, (like.shape[zeros.axis],))


def _zero(name: str, dtype: str, shape: tuple[int, ...]) -> Tensor:
    def load() -> Array:
        return np.zeros(shape, CARRIERS[dtype])

    return Tensor(name, dtype, shape, load)
