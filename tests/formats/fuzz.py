"""Reads thousands of damaged files of all formats: each is read, or refused by an error of ours.

    python -m tests.formats.fuzz --count 100000 --seed 1 [--only NAME ...] [--keep FOLDER]

The files to damage come from `tests.formats.fuzz_seeds`, in a process of its own; this one has no
framework in it, little memory, and a watch over what it opens and runs. What misbehaves is kept.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import random
import resource
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.converter.watching import Watch
from tests.processes import run_process
from weights_converter.errors import ConverterError
from weights_converter.formats import read

SECONDS = 5  # for one file
MEMORY = 1 << 30  # of address space: a reader that believes a lie about sizes runs into it
_VALUES = (0, 1, 0x7F, 0x80, 0xFF, *b"(.Rtubcqhj0123Q}])")
_WORDS = (b"\xff" * 4, bytes(4), b"\0\0\0\x80", b"\xff\xff\xff\x7f", b"\1\0\0\0", b"\xff" * 8)


@dataclass
class Report:
    """How often each seed met each fate, and what went wrong."""

    fates: dict[str, Counter[str]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kinds = sorted({fate for counter in self.fates.values() for fate in counter})
        rows = [f"{'':<28}" + "".join(f"{kind:>16}" for kind in kinds)]
        for name, counter in self.fates.items():
            rows.append(f"{name:<28}" + "".join(f"{counter[kind]:>16}" for kind in kinds))
        return "\n".join([*rows, *self.failures, f"failures: {len(self.failures)}"])


def fuzz(seeds: Path, files: Mapping[str, str], count: int, seed: int, keep: Path) -> Report:
    """Damages and reads `count` files, one of each seed after the other."""
    chance = random.Random(seed)
    report = Report({name: Counter() for name in files})
    with tempfile.TemporaryDirectory() as scratch:
        folders = {name: Path(scratch) / name for name in files}
        for name, folder in folders.items():
            shutil.copytree(seeds / name, folder)
        watch = Watch(Path(scratch))
        for number in range(count):
            name = list(files)[number % len(files)]
            victim = chance.choice(sorted((seeds / name).iterdir()))
            mutant = folders[name] / victim.name
            mutant.write_bytes(mutated(victim.read_bytes(), chance))
            with watch:
                fate, failure = attempt(folders[name] / files[name])
            report.fates[name][fate] += 1
            failure = failure or "".join(watch.deeds)
            if failure:
                watch.deeds.clear()
                kept = shutil.copytree(folders[name], keep / f"{name}-{number}")
                report.failures.append(f"{kept}: {failure}")
            mutant.write_bytes(victim.read_bytes())
    return report


def attempt(path: Path) -> tuple[str, str]:
    """(what became of the file, what was wrong with that)"""
    faulthandler.dump_traceback_later(SECONDS, exit=True)  # also where Python cannot interrupt
    try:
        for tensor in read(path).tensors.values():
            array = tensor.load()
            if array.shape != tensor.shape:
                return "failure", f"{tensor} loads as {array.shape}"
    except ConverterError as error:
        kind = type(error).__name__
        return kind, "" if str(error).isprintable() else f"not printable: {error!r}"
    except Exception as error:  # that none gets here is what is tested
        return "failure", f"{type(error).__name__}: {error}"
    finally:
        faulthandler.cancel_dump_traceback_later()
    return "read", ""


def mutated(content: bytes, chance: random.Random) -> bytes:
    """`content` with some bits, bytes, words or stretches changed; sometimes cut short."""
    raw = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 8))):
        place = chance.randrange(max(1, len(raw)))
        kind = chance.randrange(16)
        if kind < 4:
            raw[place : place + 1] = bytes([(raw[place] if raw else 0) ^ 1 << chance.randrange(8)])
        elif kind < 8:
            raw[place : place + 1] = bytes([chance.choice(_VALUES)])
        elif kind < 10:
            del raw[place : place + chance.randrange(1, 20)]
        elif kind < 12:
            start = chance.randrange(max(1, len(raw)))
            raw[place:place] = raw[start : start + chance.randrange(1, 40)]
        elif kind < 15:
            word = chance.choice(_WORDS)
            raw[place : place + len(word)] = word
        else:
            del raw[place:]
    return bytes(raw)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.formats.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=(), help="names of seeds")
    parser.add_argument("--keep", type=Path, help="folder for the files that fail")
    options = parser.parse_args()
    keep = options.keep or Path(tempfile.mkdtemp(prefix="fuzz-"))
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.formats.fuzz_seeds", folder]
        run_process(command)
        files = json.loads((Path(folder) / "seeds.json").read_text())
        files = {name: file for name, file in files.items() if name in (options.only or files)}
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        report = fuzz(Path(folder), files, options.count, options.seed, keep)
    sys.stdout.write(f"{report}\n")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
