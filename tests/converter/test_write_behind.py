"""One array is written while the next is read: in order, within bounds, and errors come through."""

from __future__ import annotations

import threading
import time
import weakref

import numpy as np
import pytest

from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import MismatchError
from weights_converter.formats.destinations.write_behind import WriteBehind

MIB = 1 << 20


def write_each(tensors, writer):
    behind = WriteBehind(writer, tensors)
    try:
        for tensor in tensors:
            behind.add(tensor, tensor.load())
        behind.close({})
    except BaseException:
        behind.abandon()
        raise


class Notes:
    """What is read and written of arrays of given sizes in MiB, in its order."""

    def __init__(self, *sizes):
        self.events = []
        self.threads = set()
        self._living = []
        self.most_bytes = 0
        self._tensors = [self._tensor(index, int(size * MIB)) for index, size in enumerate(sizes)]

    def _tensor(self, index, nbytes):
        def load():
            self.events.append(f"read {index}")
            array = np.full(nbytes // 4, index, "f4")
            self._living.append((weakref.ref(array), nbytes))
            living = sum(size for reference, size in self._living if reference() is not None)
            self.most_bytes = max(self.most_bytes, living)
            return array

        return Tensor(str(index), "F32", (nbytes // 4,), load)

    def add(self, tensor, array):
        self.threads.add(threading.current_thread())
        time.sleep(0.1)  # in which the other thread has read
        assert array[0] == array[-1] == int(tensor.name)
        self.events.append(f"written {tensor.name}")

    def close(self, metadata):
        self.events.append("closed")

    def abandon(self):
        self.events.append("abandoned")

    def run(self):
        write_each(self._tensors, self)
        assert self.events.pop() == "closed"
        return self.events


def test_the_next_one_is_read_before_the_last_is_written():
    notes = Notes(1, 2, 1)
    assert notes.run() == ["read 0", "read 1", "written 0", "read 2", "written 1", "written 2"]
    assert threading.current_thread() not in notes.threads and len(notes.threads) == 1


def test_small_ones_are_written_at_once():
    notes = Notes(1, 0.1, 0.1, 1)
    assert notes.run() == [
        "read 0", "read 1", "written 0", "written 1", "read 2", "written 2", "read 3", "written 3"
    ]  # fmt: skip


def test_large_ones_wait_for_each_other():
    notes = Notes(20, 20, 3)
    assert notes.run() == ["read 0", "written 0", "read 1", "read 2", "written 1", "written 2"]
    assert notes.most_bytes == 23 * MIB


def test_no_array_outlives_its_writing():
    notes = Notes(*[20] * 4)
    notes.run()
    assert notes.most_bytes == 20 * MIB


def test_nothing_to_write():
    assert Notes().run() == []


class Writer:
    def __init__(self, add):
        self.add = add

    def abandon(self):
        """Nothing was opened."""


def test_errors_of_reading():
    def load():
        raise MismatchError("as it happens")

    written = []
    tensors = [Tensor.of("a", np.zeros(MIB, "f4")), Tensor("b", "F32", (MIB,), load)]
    with pytest.raises(MismatchError, match="as it happens"):
        write_each(tensors, Writer(lambda tensor, array: written.append(tensor.name)))
    assert written == ["a"]


@pytest.mark.parametrize("size", [4, MIB])
@pytest.mark.parametrize("count", [1, 3])
def test_errors_of_writing(size, count):
    def write(tensor, array):
        raise OSError(28, "No space left")

    before = threading.active_count()
    with pytest.raises(OSError, match="No space"):
        write_each([Tensor.of("a", np.zeros(size, "f4"))] * count, Writer(write))
    assert threading.active_count() == before
