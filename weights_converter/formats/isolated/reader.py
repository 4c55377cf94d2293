"""Reads a file in a process of its own, which may crash or loop without harm to this one.

The HDF5 library is written in C, and files are known that make it loop for ever, take all memory,
or write out of bounds. Here such a file ends a process that has little to lose: limits on memory,
time and open files, no way to write a file, no environment. What it hands over is plain data, and
is checked again on this side of the pipe.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

from weights_converter.arrays.dtypes import Array, decode
from weights_converter.arrays.tensor import Checkpoint, Tensor
from weights_converter.errors import RefusedError, UsageError, legible
from weights_converter.formats.entry_point import entry_point
from weights_converter.formats.isolated.process import ConfinedProcess
from weights_converter.formats.isolated.protocol import (
    LONGEST_INDEX,
    Entry,
    Index,
    allowance,
    unpack_index,
)

_LONGEST_TIME = 1e9  # seconds
_MOST_MEMORY = 2**62


def read_isolated(
    path: str | Path, key: str | None = None, *, seconds: float = 60.0, memory: int = 2 << 30
) -> Checkpoint:
    """`weights_converter.formats.read` in a confined process, with the same result and errors.

    The process lives as long as the checkpoint or one of its tensors does.

    Args:
        path: The file.
        key: Which state dict to take if a training script has saved several.
        seconds: What the process may take for all its answers together, beyond the time in which
            a slow disk (16 MiB/s) gives as many bytes as the arrays have.
        memory: Bytes of address space that the process may take beyond what it starts with; twice
            the largest array is enough for any file.

    Raises:
        DamagedError: reading the file crashes the process or takes too long.
        UsageError: this system has no such limits, or they are out of reason.
        ConverterError: what `read` raises.
    """
    if os.name != "posix" or not sys.executable:
        raise UsageError("this system has no way to confine a process", "use a container")
    if not (0 < seconds <= _LONGEST_TIME and 0 < memory <= _MOST_MEMORY):
        raise UsageError(f"expected limits above 0, received {seconds} s and {memory} bytes")
    path = entry_point(Path(path))
    process = ConfinedProcess(path, key, seconds, memory)
    index = _index(process)
    process.allow(allowance(0, sum(entry.nbytes for entry in index.entries)))
    tensors = {
        entry.name: Tensor(*entry, partial(_load, process, number, entry, memory))
        for number, entry in enumerate(index.entries)
    }
    return Checkpoint(
        path,
        index.format,
        index.layout,
        tensors,
        index.metadata,
        index.scalars,
        index.notes,
        index.left_out,
        tuple(path.parent / name for name in index.files),
    )


def _index(process: ConfinedProcess) -> Index:
    raw = process.ask(None, 0, LONGEST_INDEX).tobytes()
    try:
        return unpack_index(raw)
    except ValueError:
        raise process.failed("gave an impossible answer") from None


def _load(process: ConfinedProcess, number: int, entry: Entry, memory: int) -> Array:
    if entry.nbytes > memory:
        raise RefusedError(
            f"{process.name} refused: {legible(entry.name)} has {entry.nbytes} bytes, "
            f"the process that reads it may use {memory}",
            "allow it more memory",
        )
    raw = process.ask(number, entry.nbytes, entry.nbytes)
    try:
        return decode(raw, entry.dtype).reshape(entry.shape)
    except ValueError:
        raise process.failed("gave an impossible answer") from None
