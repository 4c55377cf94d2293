"""A quick way to read damaged files of Keras and TensorFlow in confinement.

    python -m tests.formats.fuzz_keras COUNT SEED [--isolated]

reads as many, a batch in one confined process that is started anew where a file ends it, or each
in a child of its own. It prints what became of them, and ends with an error at the first that
raises anything but an error of ours. What ends a process in the HDF5 library is counted.
"""

from __future__ import annotations

import itertools
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.formats.forks import forking
from tests.formats.fuzz_keras_cases import Case, cases
from weights_converter.arrays.tensor import Checkpoint
from weights_converter.errors import ConverterError, DamagedError
from weights_converter.formats import read
from weights_converter.formats.isolated.reader import read_isolated

SECONDS = 3.0
MEMORY = 1 << 28
_BATCH = 400


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
