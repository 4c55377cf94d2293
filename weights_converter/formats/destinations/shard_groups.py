"""Which arrays go together into one file of a set."""

from __future__ import annotations

from collections.abc import Sequence

from weights_converter.arrays.tensor import TensorInfo
from weights_converter.errors import UsageError, legible


def shard_groups(tensors: Sequence[TensorInfo], most_bytes: int) -> list[list[TensorInfo]]:
    """As many arrays in each group as fit into `most_bytes`, in their order.

    Raises:
        UsageError: an array is larger than `most_bytes`.
    """
    groups: list[list[TensorInfo]] = [[]]
    taken = 0
    for tensor in tensors:
        if tensor.nbytes > most_bytes:
            raise UsageError(
                f"{legible(tensor.name)} takes {tensor.nbytes} bytes, a file may have {most_bytes}",
                "allow larger files",
            )
        if taken + tensor.nbytes > most_bytes:
            groups.append([])
            taken = 0
        groups[-1].append(tensor)
        taken += tensor.nbytes
    return groups
