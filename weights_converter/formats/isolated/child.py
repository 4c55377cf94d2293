"""The confined process of `formats.isolated.reader`: reads a file and hands it over."""

from __future__ import annotations

import math
import os
import resource
import signal
import sys
from pathlib import Path
from typing import BinaryIO

from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import ConverterError, RefusedError, UsageError, legible
from weights_converter.formats import read
from weights_converter.formats.files.open_files import kept_open
from weights_converter.formats.isolated.protocol import (
    CONTENT,
    ERROR,
    HEADER,
    REQUEST,
    allowance,
    pack_error,
    pack_index,
)

_OPEN_FILES = 64
_USUAL_MEMORY = 1 << 29


def main() -> None:
    """Serves the file that the command line names until nobody asks any more."""
    path, key, seconds, memory = sys.argv[1:]
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a library that prints spoils no answer
    try:
        confine(float(seconds), int(memory))
    except (OSError, ValueError) as error:
        fact = f"this system cannot confine a process: {error}"
        return _send(answers, ERROR, pack_error(UsageError(fact, "use a container")))
    try:
        serve(answers, Path(path), key[1:] if key else None, float(seconds))
    except MemoryError:
        fact = (
            f"{legible(Path(path).name)} refused: reading it takes more memory than {memory} bytes"
        )
        _send(answers, ERROR, pack_error(RefusedError(fact, "allow it more memory")))


def confine(seconds: float, memory: int) -> None:
    """Lowers what this process may use to what reading takes."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # ends it with the process that asks
    for limit, value in (
        (resource.RLIMIT_AS, _own_memory() + memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
    ):
        value = _within(limit, value)
        resource.setrlimit(limit, (value, value))
    _limit_time(seconds)


def _within(limit: int, value: int) -> int:
    """`value`, or less if the user's own limit is lower."""
    hard = resource.getrlimit(limit)[1]
    return value if hard == resource.RLIM_INFINITY else min(value, hard)


def _own_memory() -> int:
    """Bytes of address space of the interpreter and its libraries."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:  # not Linux
        return _USUAL_MEMORY
    return pages * resource.getpagesize()


def serve(answers: BinaryIO, path: Path, key: str | None, seconds: float) -> None:
    try:
        checkpoint = read(path, key)
    except ConverterError as error:
        return _send(answers, ERROR, pack_error(error))
    _limit_time(allowance(seconds, checkpoint.nbytes))
    _send(answers, CONTENT, pack_index(checkpoint))
    tensors = list(checkpoint.tensors.values())
    with kept_open():
        while request := sys.stdin.buffer.read(REQUEST.size):
            _answer(answers, tensors[REQUEST.unpack(request)[0]])


def _answer(answers: BinaryIO, tensor: Tensor) -> None:
    try:
        array = tensor.read()
    except ConverterError as error:
        return _send(answers, ERROR, pack_error(error))
    _send(answers, CONTENT, array.reshape(-1).view("u1").data)


def _limit_time(seconds: float) -> None:
    """The processor's time; the process that asks counts the time on the wall."""
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = _within(resource.RLIMIT_CPU, math.ceil(seconds) + 1)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _send(answers: BinaryIO, kind: bytes, content: bytes | memoryview) -> None:
    answers.write(HEADER.pack(kind, len(content)))
    rest = memoryview(content)
    while rest:  # a pipe takes a part at a time
        rest = rest[answers.write(rest) :]
