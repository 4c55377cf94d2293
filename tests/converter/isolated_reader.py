"""Reads every file of a folder in a process that watches itself; run by test_hostile_isolated.

Prints one JSON object: what became of each file, and what the process did meanwhile.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from tests.converter.watching import Watch
from weights_converter.errors import ConverterError
from weights_converter.formats import read


def main(folder: Path) -> None:
    outcomes: dict[str, list[object]] = {}
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    watch = Watch(folder)
    with watch:
        for path in paths:
            start = time.process_time()
            outcomes[path.name] = [attempt(path), time.process_time() - start]
    # Not getrusage: its maximum starts at the size of the process that forked this one.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = int(status["VmHWM"].split()[0]) >> 10  # MiB
    modules = sorted({"torch", "paddle", "keras", "tensorflow", "jax"} & set(sys.modules))
    report = {"outcomes": outcomes, "deeds": watch.deeds, "peak": peak, "modules": modules}
    json.dump(report, sys.stdout)


def attempt(path: Path) -> str:
    try:
        for tensor in read(path).tensors.values():
            tensor.load()
    except ConverterError as error:
        return type(error).__name__
    return "read"


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
    main(Path(sys.argv[1]))
