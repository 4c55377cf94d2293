"""Small conversions to every destination, and what stands there, read without the converter."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from odconv_spec import Parameter, Role
from parity_tests.reference import random_arrays
from tests.converter.crashes import INTERRUPT, KILL, Ending, Fault, attempt
from tests.converter.standing_content import digests, mixture, read
from weights_converter import Manifest, Request, convert

# Seven arrays of 256 bytes.
PARAMETERS = tuple(Parameter(f"body.{i}.weight", Role.LINEAR_KERNEL, (8, 8)) for i in range(7))
NET = Manifest("Net", PARAMETERS, {})
OLD, NEW, OTHER = 1, 2, 3  # contents, which differ in every array
FOUR, THREE, SEVEN = 512, 768, 256  # bytes of a shard, and how many shards that makes
NAMES = {
    "pth": "b.pth",
    "safetensors": "b.safetensors",
    "npz": "b.npz",
    "pdparams": "b.pdparams",
    "keras": "b.weights.h5",
    "safetensors-set": "b.safetensors.index.json",
    "keras-set": "b.weights.json",
}
SETS = ("safetensors-set", "keras-set")
# Files of others, with names that come close.
BYSTANDERS = [
    *("notes.txt", "b", "b.json", "b.pt", ".b.pth.0123.part", ".c.pth.0123456789abcdef.part"),
    *("b.manifest.json", "b.pth.manifest.json", "b.pdparams.manifest.json.bak", ".b.notes"),
    *("b-final.safetensors", "bb-00001-of-00004.safetensors", "b-00001-of-00004.safetensors.bak"),
    *("b_extra.weights.h5", "b_0001.weights.h5", "b_00001.weights.h5.bak", "bb_00001.weights.h5"),
    *("b.safetensors.index.json.bak", "b.weights.json.bak", "a.weights.json"),
]


def source(folder: Path, content: int, broken: bool = False, scale: float = 1) -> Path:
    """An `.npz` of PyTorch's names; `broken` has a NaN in its last array."""
    arrays = random_arrays(PARAMETERS, content, np.float32)
    arrays = {name: array * np.float32(scale) for name, array in arrays.items()}
    if broken:
        arrays[PARAMETERS[-1].name].flat[-1] = np.nan
    path = folder / f"source{content}.npz"
    np.savez(path, **arrays)
    return path


@dataclass
class Target:
    """A destination in a folder, with an old checkpoint or none.

    Attributes:
        size: of the arrays in a shard of the new one.
        old: what stood there first.
        old_files: its files, name -> digest.
        others: all other files that were there first.
        left: names of those of them that killed runs have left.
    """

    kind: str
    folder: Path
    size: int = FOUR
    overwrite: bool = True
    old: dict[str, bytes] | None = None
    old_files: dict[str, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)

    @property
    def path(self) -> Path:
        return self.folder / NAMES[self.kind]

    def write(self, src: Path, size: int | None = None, **options) -> object:
        size = (size or self.size) if self.kind in SETS else None
        options = {"overwrite": self.overwrite, **options}
        return convert(Request(src, NET), self.path, max_shard_bytes=size, **options)

    def add_bystanders(self) -> None:
        for name in BYSTANDERS:
            (self.folder / name).write_text(name)

    def remember(self, own: set[str] | None = None) -> None:
        """Takes what is in the folder now for the old state.

        `own` are the names of the files that go, where what stands is no checkpoint.
        """
        if own is None:
            self.old, own = self.arrays(), self.members()
        found = digests(self.folder)
        self.old_files = {name: digest for name, digest in found.items() if name in own}
        self.others = {name: digest for name, digest in found.items() if name not in own}

    def members(self) -> set[str]:
        """Names of the files that are the checkpoint."""
        names = {self.path.name}
        if self.kind == "pdparams":
            names.add("b.pdparams.manifest.json")
        if self.kind in SETS and self.path.exists():
            listed = json.loads(self.path.read_text())["weight_map"].values()
            for files in listed:
                names |= {files} if isinstance(files, str) else set(files)
        if self.kind == "keras-set":
            names.add("b_00000.weights.h5")  # Keras opens it first, whatever the index says
        return names

    def arrays(self) -> dict[str, bytes] | None:
        """What `read` finds; None where there is nothing."""
        return read(self.path) if self.path.exists() else None

    def wrong_unless_old_or_new(self, new: dict[str, bytes], clean: bool) -> str:
        """What is wrong in the folder after a fault, "" for nothing.

        With `clean`, the old files must be untouched where the old one stands, and nothing may
        be left behind.
        """
        try:
            stands = self.arrays()
        except Exception as error:
            return f"unreadable: {error!r}"[:300]
        if stands not in (self.old, new):
            return f"neither old nor new: {mixture(stands, self.old, new)}"
        found = digests(self.folder)
        if self._changed(found):
            return f"files of others have changed or are gone: {self._changed(found)}"
        if not clean:
            return ""
        gone = [name for name, digest in self.old_files.items() if found.get(name) != digest]
        if stands == self.old != new and gone:
            return f"old files have changed: {gone}"
        extra = found.keys() - self.others.keys() - self.members()
        return f"left behind: {sorted(extra)}" if extra else ""

    def wrong_unless_new(self, new: dict[str, bytes], clean: bool = True) -> str:
        """What is wrong after a conversion that has ended well, "" for nothing.

        Without `clean`, what killed runs have left may still be there.
        """
        try:
            stands = self.arrays()
        except Exception as error:
            return f"unreadable: {error!r}"[:300]
        if stands != new:
            return f"not the new one: {mixture(stands, self.old, new)}"
        found = digests(self.folder)
        if self._changed(found):
            return f"files of others have changed or are gone: {self._changed(found)}"
        kept = self.others.keys() - self.left if clean else self.others.keys()
        extra = found.keys() - kept - self.members()
        return f"left behind: {sorted(extra)}" if extra else ""

    def _changed(self, found: dict[str, str]) -> list[str]:
        kept = self.others.keys() - self.left
        return sorted(name for name in kept if found.get(name) != self.others[name])


def prepared(kind: str, situation: str, folder: Path) -> tuple[Target, dict[str, bytes]]:
    """A destination in its situation, and what a new checkpoint there is.

    Situations: "new", an empty folder; "same", "more" and "fewer" shards of an old checkpoint;
    "leftovers" of runs that were killed besides; "beside", the same arrays in the other formats.
    """
    scratch = Target(kind, folder / "scratch")
    scratch.folder.mkdir(parents=True)
    scratch.write(source(folder, NEW))
    new = scratch.arrays()
    target = Target(kind, folder / "template")
    target.folder.mkdir()
    target.add_bystanders()
    if situation == "beside":
        _put_beside(target, source(folder, OTHER))
    if situation != "new":
        size = {"more": SEVEN, "fewer": THREE}.get(situation, FOUR)
        target.write(source(folder, OLD), size)
    before = digests(target.folder).keys()
    if situation == "leftovers":
        _kill_some(target, source(folder, OTHER))
    target.remember()
    target.left = digests(target.folder).keys() - before
    shutil.rmtree(scratch.folder)
    return target, new


def _put_beside(target: Target, src: Path) -> None:
    for kind in NAMES:
        if kind != target.kind:
            Target(kind, target.folder).write(src)


def _kill_some(target: Target, src: Path) -> None:
    """Kills several runs, as long as none replaces the old checkpoint."""
    old = target.arrays()
    for number in range(5, 60, 9):
        kept = shutil.copytree(
            target.folder, target.folder.with_name("kept"), copy_function=os.link
        )
        ending = attempt(lambda: target.write(src, THREE), Fault(KILL, number))
        if target.arrays() != old or not ending.where:
            shutil.rmtree(target.folder)
            kept.rename(target.folder)
            return
        shutil.rmtree(kept)


def copied(target: Target, folder: Path) -> Target:
    """The same files in another folder: the numbers that they have in the file system tell them."""
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(target.folder, folder, copy_function=os.link)
    return replace(target, folder=folder)


def after_fault(target: Target, new, src: Path, fault: Fault, **options) -> tuple[Ending, str]:
    """Lets a fault strike a conversion; how it ended, and what is wrong afterwards."""
    ending = attempt(lambda: target.write(src, **options), fault)
    if not ending.where:
        return ending, target.wrong_unless_new(
            new
        ) if ending.code == 0 else f"failed: {ending.text}"
    if ending.code == 0:  # what cannot be removed or synced is no reason to fail
        return ending, target.wrong_unless_new(new, clean=False)
    failed = fault.kind != KILL
    wrong = target.wrong_unless_old_or_new(new, clean=failed)
    if failed and ending.code == 70:
        wrong = wrong or f"not the converter's error: {ending.text}"
    if wrong:
        return ending, wrong
    if failed:
        # Nobody can be interrupted back to the old checkpoint once the new one has taken its place.
        late = fault.kind != INTERRUPT and target.arrays() == new != target.old
        return ending, "an error, but the new one stands" if late else ""
    again = attempt(lambda: target.write(src, overwrite=True))
    if again.code:
        return ending, f"the next run fails: {again.text}"
    wrong = target.wrong_unless_new(new)
    return ending, f"after the next run: {wrong}" if wrong else ""
