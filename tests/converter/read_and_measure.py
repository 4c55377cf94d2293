"""Reads a weights file; prints what came of it, the processor time and the memory it took.

    python tests/converter/read_and_measure.py FILE [--load]

Run in a process of its own by tests: the most that it takes is that of this one file.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from tests.converter.watching import Watch
from weights_converter.errors import ConverterError
from weights_converter.formats import read


def peak() -> int:
    """Bytes; unlike those of getrusage, they do not count what the parent had before `exec`."""
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


def main() -> None:
    path = Path(sys.argv[1])
    before, begin = peak(), time.process_time()
    watch = Watch(path.parent)
    with watch:
        result = fate(path, "--load" in sys.argv)
    seconds = time.process_time() - begin
    figures = {"fate": result, "seconds": seconds, "grown": peak() - before, "deeds": watch.deeds}
    sys.stdout.write(json.dumps(figures))


if __name__ == "__main__":
    main()
