"""What reading a file may take in memory: the one rule for every format.

A few bytes can describe gigabytes: a view of one number, compressed zeros, a list that is copied
by every second instruction. So whatever a reader builds is charged before it is built.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from weights_converter.errors import RefusedError

OBJECT: Final = 64  # bytes that an object counts as, and so does a text of that length
_OBJECTS_A_BYTE: Final = 2
_FEWEST_OBJECTS: Final = 1 << 16  # 4 MiB, for the smallest file
_MOST_OBJECTS: Final = 1 << 21  # 128 MiB, for the largest
_MOST_GROWTH: Final = 4
_FREE_BYTES: Final = 1 << 26


class Budget:
    """What is left of it for one file. `Source.budget` is the one of that file.

    Example:
        >>> budget = Budget(1000, RefusedError)
        >>> budget.charge_objects(3, text=200)
        >>> budget.charge_bytes(4096)
    """

    def __init__(self, size: int, refused: Callable[[str], RefusedError]) -> None:
        """The budget of a file of `size` bytes; `refused` makes the error where it is spent."""
        self._size, self._refused = size, refused
        self._objects = min(max(_OBJECTS_A_BYTE * size, _FEWEST_OBJECTS), _MOST_OBJECTS)
        self._bytes = _MOST_GROWTH * size + _FREE_BYTES

    def charge_objects(self, count: int, text: int = 0) -> None:
        """For what describes arrays: names, numbers, lists, the items of a dict, whole tensors.

        A file may hold two for each of its bytes; at least 65,536 and at most 2,097,152.

        Args:
            count: How many are built. One that takes more than 64 bytes counts as several: a list
                or a dict as 3, an item of a dict as 2, a `Tensor` with all that it has as 16.
            text: Bytes of text that are built besides.

        Raises:
            RefusedError: the file describes more than it can honestly hold.
        """
        self._objects -= count + text // OBJECT
        if self._objects < 0:
            raise self._refused(f"it describes more objects than its {self._size} bytes can hold")

    def charge_bytes(self, count: int) -> None:
        """For arrays, and for what is decompressed: four times the file and 64 MiB in all.

        Raises:
            RefusedError: the arrays are more than the file can honestly hold.
        """
        self._bytes -= count
        if self._bytes < 0:
            raise self._refused(f"its arrays would take {count} bytes, the file has {self._size}")
