"""Which arrays go together into one file of a set."""

from __future__ import annotations

from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import UsageError, legible
from weights_converter.formats.files.array_names import repeated


def shard_groups(tensors: list[Tensor], most_bytes: int) -> list[list[Tensor]]:
    """As many arrays in each group as fit into `most_bytes`, in their order.

    Raises:
        UsageError: two arrays have one name, or one is larger than `most_bytes`.
    """
    twice = repeated(tensor.name for tensor in tensors)
    if twice is not None:
        raise UsageError(f"two arrays are called {legible(twice)}")
    groups: list[list[Tensor]] = [[]]
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
