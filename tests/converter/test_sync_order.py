"""What a power cut may lose: nothing has a name before its content is on the disk.

A file is synced before it gets its name, the names of shards before the index that lists them, and
the index before the old shards go.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.converter.crashes import WATCH, Fault, attempt
from tests.converter.standing import NAMES, NEW, SETS, prepared, source


class Order:
    """Looks at each call of a conversion, and raises AssertionError where it comes too early."""

    def __init__(self, target):
        self.target = target
        self.synced = {}  # inode -> time of change and size that are on the disk
        self.names = set()  # new in the folder since it was synced
        self.swapped = False  # whether the new checkpoint has its name, on the disk or not
        self.on_disk = False

    def __call__(self, name, *arguments):
        if name == "fsync":
            self.sync(arguments[0])
        elif name in ("rename", "replace", "link"):
            self.rename(*map(Path, arguments[:2]))
        elif name in ("unlink", "remove"):
            self.remove(Path(arguments[0]))

    def sync(self, descriptor):
        status = os.fstat(descriptor)
        self.synced[status.st_ino] = status.st_mtime_ns, status.st_size
        if os.path.samestat(status, self.target.folder.stat()):
            self.names, self.on_disk = set(), self.swapped

    def rename(self, old, new):
        status = old.stat()
        known = self.synced.get(status.st_ino)
        assert known == (status.st_mtime_ns, status.st_size), f"{old} is not synced"
        if new.name == self.target.path.name:
            assert not self.names, f"the names of {self.names} are not on the disk"
            self.swapped = True
        self.names.add(new.name)

    def remove(self, path):
        if path.name in self.target.old_files:
            assert self.on_disk, f"{path.name} goes before the new one is on the disk"


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("situation", ["new", "same", "fewer"])
def test_a_power_cut_at_any_moment(tmp_path, kind, situation):
    if situation == "fewer" and kind not in SETS:
        situation = "leftovers"
    target, _ = prepared(kind, situation, tmp_path)
    order = Order(target)
    target.overwrite = situation != "new"
    ending = attempt(lambda: checked(target, tmp_path, order), Fault(WATCH, 0, act=order))
    assert ending.code == 0, ending.text


def checked(target, tmp_path, order):
    target.write(source(tmp_path, NEW))
    assert order.swapped and order.on_disk
