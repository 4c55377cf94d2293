"""Reads weights files; says what came of each, the processor time and the memory it took.

    python -m tests.converter.read_and_measure < REQUESTS

A request is a line of JSON, [path, whether arrays are loaded]; each is answered by a line. A file
is read in a fork of this process, which has imported what it needs and nothing else: the most that
the fork takes is that of this one file.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from tests.converter.watching import Watch
from weights_converter.errors import ConverterError
from weights_converter.formats import read

PATIENCE = 300  # seconds for one file


def peak() -> int:
    """Bytes; unlike those of getrusage, they do not count what the parent had before the fork."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) << 10


def fate(path: Path, load: bool) -> str:
    """The exception that reading ends with; "read" if none."""
    try:
        for tensor in read(path).tensors.values():
            if load:
                tensor.load()
    except ConverterError as error:
        return f"{type(error).__name__}: {error}"
    return "read"


def measure(path: Path, load: bool) -> dict[str, object]:
    before, begin = peak(), time.process_time()
    watch = Watch(path.parent)
    with watch:
        result = fate(path, load)
    seconds = time.process_time() - begin
    return {"fate": result, "seconds": seconds, "grown": peak() - before, "deeds": watch.deeds}


def in_a_fork(path: Path, load: bool) -> None:
    pid = os.fork()
    if pid == 0:
        signal.alarm(PATIENCE)
        say(measure(path, load))
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        say({"status": status})


def say(figures: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    for line in sys.stdin:
        in_a_fork(Path(json.loads(line)[0]), json.loads(line)[1])
