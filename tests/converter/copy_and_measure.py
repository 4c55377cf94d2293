"""Copies a weights file into a format and prints how many MiB that took; run by a test."""

from __future__ import annotations

import sys
from pathlib import Path

from weights_converter.formats import read, write


def peak() -> int:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) >> 10


if __name__ == "__main__":
    source, target, format = sys.argv[1:]
    before = peak()
    write(target, format, read(source).tensors.values(), {})
    sys.stdout.write(str(peak() - before))
