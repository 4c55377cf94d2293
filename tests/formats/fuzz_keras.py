"""Damaged files of Keras and TensorFlow without end, and a quick way to read each in confinement.

    python -m tests.formats.fuzz_keras COUNT SEED [--isolated]

reads as many, a batch in one confined process that is started anew where a file ends it, or each
in a child of its own. It prints what became of them, and ends with an error at the first that
raises anything but an error of ours. What ends a process in the HDF5 library is counted.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from unittest import mock

import h5py
import numpy as np

from tests.converter.bundles import VALUE, Bundle, table
from tests.converter.crafted import every_dtype
from weights_converter.arrays.tensor import Checkpoint, Tensor
from weights_converter.errors import ConverterError, DamagedError
from weights_converter.formats import read, write, write_shards
from weights_converter.formats.isolated import child as isolated_child
from weights_converter.formats.isolated import process as isolated_process
from weights_converter.formats.isolated.reader import read_isolated

SECONDS = 3.0
MEMORY = 1 << 28
_BATCH = 400
_WORDS = (0, 1, 0xFF, 0x7F, 0x80, 0xFFFF, 1 << 31, (1 << 32) - 1, 1 << 62, (1 << 64) - 1)


@dataclass(frozen=True)
class Case:
    """Files of one folder, and the one to read."""

    label: str
    files: dict[str, bytes]
    entry: str

    def read(self, folder: Path, reader: Callable[[Path], Checkpoint]) -> Checkpoint:
        """Every array of it. Raises whatever the reader raises."""
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        checkpoint = reader(folder / self.entry)
        for tensor in checkpoint.tensors.values():
            tensor.read()
        return checkpoint


def cases(rng: random.Random) -> Iterator[Case]:
    """One damaged file after the other, of each kind in turn."""
    with tempfile.TemporaryDirectory() as folder:
        kinds = [*_plain_kinds(Path(folder)), *_sharded_kinds(Path(folder))]
    kinds += [*_archive_kinds(kinds[0].files[kinds[0].entry]), *_bundle_kinds()]
    while True:
        for kind in kinds:
            yield kind.damaged(rng)


@dataclass(frozen=True)
class _Kind:
    label: str
    files: dict[str, bytes]
    entry: str
    target: str  # the file to damage
    repaired: Callable[[bytes], bytes] = bytes  # what puts the checksums right

    def damaged(self, rng: random.Random) -> Case:
        content = self.repaired(mutated(self.files[self.target], rng))
        return Case(self.label, self.files | {self.target: content}, self.entry)


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Bits, numbers, whole stretches; most of all one place of the file put into another."""
    raw = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        place = rng.randrange(max(1, len(raw)))
        kind = rng.randrange(6)
        if kind == 0 and raw:
            raw[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            width = rng.choice((1, 2, 4, 8))
            word = rng.choice(_WORDS) & ((1 << 8 * width) - 1)
            raw[place : place + width] = word.to_bytes(width, "little")
        elif kind == 2:
            start, target = (rng.randrange(max(1, len(raw) // 8)) * 8 for _ in range(2))
            raw[target : target + 8] = raw[start : start + 8]
        elif kind == 3:
            start, length = rng.randrange(max(1, len(raw))), rng.randrange(1, 64)
            raw[place : place + length] = raw[start : start + length]
        elif kind == 4:
            del raw[place : place + rng.randrange(1, 16)]
        else:
            del raw[rng.randrange(len(raw) // 2, len(raw) + 1) :]
    return bytes(raw)


def _plain_kinds(folder: Path) -> Iterator[_Kind]:
    for label, make in (
        ("keras-h5", _by_us),
        ("keras-h5 latest", _latest),
        ("keras-h5 compressed", _compressed),
        ("keras-legacy", _legacy),
    ):
        make(folder / "x.h5")
        yield _Kind(label, {"x.h5": (folder / "x.h5").read_bytes()}, "x.h5", "x.h5")


def _tensors() -> list[Tensor]:
    return [Tensor.of(f"{name}/vars/0", array) for name, array in every_dtype().items()]


def _by_us(path: Path) -> None:
    write(path, "keras-h5", _tensors(), {"a": "1"}, overwrite=True)


def _latest(path: Path) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        for name, array in every_dtype().items():
            file[f"layers/{name}/vars/0"] = array
        file.attrs["text"] = "yes"


def _compressed(path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 4, (60, 50)).astype("f4")
    with h5py.File(path, "w") as file:
        for name, chunks in (("a", (16, 16)), ("b", (60, 50))):
            options = {"compression": "gzip", "shuffle": True, "fletcher32": name == "a"}
            file.create_dataset(f"{name}/vars/0", data=array, chunks=chunks, **options)


def _legacy(path: Path) -> None:
    with h5py.File(path, "w") as file:
        model = file.create_group("model_weights")
        model.attrs["layer_names"] = [b"dense", b"bn"]
        for layer, arrays in (("dense", ("kernel:0", "bias:0")), ("bn", ("gamma:0",))):
            group = model.create_group(layer)
            group.attrs["weight_names"] = [f"{layer}/{name}".encode() for name in arrays]
            for name in arrays:
                group[f"{layer}/{name}"] = np.ones((3, 2), "f4")
        file.attrs["model_config"] = "{}" * 200


def _sharded_kinds(folder: Path) -> Iterator[_Kind]:
    index = folder / "x.weights.json"
    *shards, _ = write_shards(index, _tensors(), {"a": "1"}, 9000)
    files = {path.name: path.read_bytes() for path in (index, *shards)}
    for label, target in (("keras-index", index.name), ("keras-index shard", shards[0].name)):
        yield _Kind(label, files, index.name, target)


def _archive_kinds(weights: bytes) -> Iterator[_Kind]:
    def zipped(content: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
        handle = io.BytesIO()
        with zipfile.ZipFile(handle, "w", compression) as archive:
            archive.writestr("config.json", json.dumps({"class_name": "Lambda"}))
            archive.writestr("model.weights.h5", content)
        return handle.getvalue()

    def deflated(content: bytes) -> bytes:
        return zipped(content, zipfile.ZIP_DEFLATED)

    for label, whole in (("keras", zipped), ("keras deflated", deflated)):
        yield _Kind(f"{label} outside", {"x": whole(weights)}, "x", "x")
        yield _Kind(f"{label} inside", {"x": weights}, "x", "x", whole)


def _bundle_kinds() -> Iterator[_Kind]:
    bundle = Bundle()
    for name, array in every_dtype().items():
        bundle.add(f"layer/{name}{VALUE}", array)
    bundle.add_graph({f"layer/float32{VALUE}": "layer/kernel"})
    files = bundle.files()
    for name in files:
        yield _Kind(f"tensorflow {name}", files, "x.index", name)
    entries = files | {"x.index": bundle.content()}
    yield _Kind("tensorflow entries", entries, "x.index", "x.index", table)


class _Fork:
    """What `subprocess.Popen` is to a confined process, in a hundredth of its time."""

    def __init__(self, arguments: list[str]) -> None:
        (self_in, theirs_out), (theirs_in, self_out) = os.pipe(), os.pipe()
        self.pid = os.fork()
        if not self.pid:
            for source, target in ((theirs_in, 0), (theirs_out, 1), (os.open(os.devnull, 1), 2)):
                os.dup2(source, target)
            os.closerange(3, 64)
            self._serve(arguments)
        os.close(theirs_in)
        os.close(theirs_out)
        self.stdout: BinaryIO = os.fdopen(self_in, "rb", buffering=0)
        self.stdin: BinaryIO = os.fdopen(self_out, "wb", buffering=0)
        self.status: int | None = None

    @staticmethod
    def _serve(arguments: list[str]) -> None:
        status = 1
        try:
            sys.argv = ["-c", *arguments]
            sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, m) for n, m in enumerate("rww"))
            isolated_child.main()
            status = 0
        finally:
            os._exit(status)

    def kill(self) -> None:
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        if self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status


@contextmanager
def forking() -> Iterator[None]:
    """Confined processes are forks of this one, which must not have any framework in it."""

    def started(name: str, arguments: list[str]) -> _Fork:
        return _Fork(arguments)

    with mock.patch.object(isolated_process, "_started", started):
        yield


def _isolated(path: Path) -> Checkpoint:
    return read_isolated(path, seconds=SECONDS, memory=MEMORY)


def outcome(case: Case) -> str:
    """What becomes of the case in a child; "raises ..." if it is neither read nor refused."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        result = _fate(case, Path(folder), _isolated)
    if "ended with status" in result or time.monotonic() - start > SECONDS + 2:
        return f"raises {result}"  # a status is how an exception of Python ends the process
    return result


def batch_outcomes(batch: list[Case]) -> Iterator[str]:
    """What becomes of each case, in processes that are limited as confined ones are."""
    done = 0
    while done < len(batch):
        folder = Path(tempfile.mkdtemp())
        readable, writable = os.pipe()
        pid = os.fork()
        if not pid:
            _serve_batch(batch[done:], folder, writable)
        os.close(writable)
        with os.fdopen(readable) as lines:
            for line in lines:
                yield line.rstrip("\n")
                done += 1
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        shutil.rmtree(folder)
        if status:
            assert status < 0, f"ended with status {status}"
            yield f"ended with {signal.Signals(-status).name}"
            done += 1


def _serve_batch(batch: list[Case], folder: Path, answers: int) -> None:
    """A line for each case. The alarm ends the process where the library loops."""
    status = 1
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # where the C library tells of its end
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        memory = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for case in batch:
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            os.write(answers, f"{_fate(case, folder, read)}\n".encode())
        status = 0
    finally:
        os._exit(status)


def _fate(case: Case, folder: Path, reader: Callable[[Path], Checkpoint]) -> str:
    try:
        case.read(folder, read if case.label.startswith("tensorflow") else reader)
    except ConverterError as error:
        if not str(error).isprintable():
            return f"raises {error!r}"
        ended = isinstance(error, DamagedError) and "the process that read it" in str(error)
        return str(error).partition("it ")[2] if ended else type(error).__name__
    except Exception as error:  # that none gets here is what is tested
        return f"raises {error!r}"
    return "read"


def isolated_outcomes(batch: list[Case]) -> Iterator[str]:
    """The same through `read_isolated`, which takes ten times as long."""
    with forking():
        yield from map(outcome, batch)


def main(count: int, seed: int, isolated: bool) -> None:
    source = cases(random.Random(seed))
    results: Counter[tuple[str, str]] = Counter()
    for start in range(0, count, _BATCH):
        batch = list(itertools.islice(source, min(_BATCH, count - start)))
        fates = isolated_outcomes(batch) if isolated else batch_outcomes(batch)
        for case, result in zip(batch, fates, strict=True):
            results[case.label, result] += 1
            if result.startswith("raises"):
                for name, content in case.files.items():
                    Path(tempfile.gettempdir(), f"fuzz-{name}").write_bytes(content)
                raise SystemExit(f"{case.label} {result}, kept as fuzz-*")
    for (label, result), number in sorted(results.items()):
        sys.stdout.write(f"{number:7} {label}: {result}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:] == ["--isolated"])
