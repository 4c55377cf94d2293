"""Counters that tools keep as arrays in a model's state dict, beside its own arrays."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from weights_converter.arrays.tensor import Checkpoint
from weights_converter.names.layouts import owner_of

LEFT_BEHIND: Final[Mapping[str, str]] = {
    # At each module that it has a rule for: https://github.com/Lyken17/pytorch-OpCounter
    "total_ops": "a count of operations, which thop leaves behind",
    "total_params": "a count of parameters, which thop leaves behind",
}
# Beside the one child `module` of an average.
_AVERAGES: Final[Mapping[str, str]] = {
    # https://docs.pytorch.org/docs/stable/optim.html#weight-averaging-swa-and-ema
    "n_averaged": "how many models torch's AveragedModel has averaged",
    # https://github.com/open-mmlab/mmengine/blob/main/mmengine/model/averaged_model.py
    "steps": "how many models mmengine's averaged model has seen",
}


def without_counters(checkpoint: Checkpoint, targets: Collection[str] = ()) -> Checkpoint:
    """The checkpoint without counters, of which a note tells what they are and how many.

    Args:
        checkpoint: with the names in the file.
        targets: canonical names of the model. What it has itself stays.
    """
    flops = dict(_scalars(checkpoint, LEFT_BEHIND, targets))
    names = sorted(checkpoint.tensors.keys() - flops.keys())
    averages = {
        name: reason
        for name, reason in _scalars(checkpoint, _AVERAGES, targets)
        if _is_beside_a_lone_module(name, names)
    }
    found = {**flops, **averages}
    if not found:
        return checkpoint
    reasons = dict.fromkeys(found.values())
    notes = (f"left out {_counted(found, reason)}: {reason}" for reason in reasons)
    return checkpoint.without(found, *notes)


def _scalars(
    checkpoint: Checkpoint, leaves: Mapping[str, str], targets: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Arrays of one element whose last part is one of `leaves`, with what that stands for."""
    for name, tensor in checkpoint.tensors.items():
        leaf = name.rpartition(".")[2]
        if leaf in leaves and tensor.numel == 1 and name not in targets:
            yield name, leaves[leaf]


def _is_beside_a_lone_module(name: str, names: Sequence[str]) -> bool:
    """Whether all other arrays of the owner are those of its child `module`; `names` are sorted."""
    owner = owner_of(name)
    of_owner = _count_inside(owner, names) if owner else len(names)
    of_module = _count_inside(f"{owner}.module".lstrip("."), names)
    return of_module > 0 and of_owner == of_module + 1


def _count_inside(owner: str, names: Sequence[str]) -> int:
    """How many of the sorted `names` start with `owner` and a dot, which "/" comes after."""
    return bisect_left(names, f"{owner}/") - bisect_left(names, f"{owner}.")


def _counted(found: Mapping[str, str], reason: str) -> str:
    names = [name for name, why in found.items() if why == reason]
    leaf = names[0].rpartition(".")[2]
    return names[0] if len(names) == 1 else f"{len(names)} arrays {leaf}"
