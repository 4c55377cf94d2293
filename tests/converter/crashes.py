"""Stops a process at the n-th call that changes a file: killed, out of space, or interrupted.

The process is a fork of this one, so that thousands of them take seconds. Calls of Python are
counted, those inside of C libraries such as HDF5's are not: `limit` makes these fail, too.
"""

from __future__ import annotations

import builtins
import errno
import io
import itertools
import os
import pathlib
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from weights_converter import ConverterError

MOVES = ("rename", "replace", "link", "symlink", "unlink", "remove", "rmdir", "fsync")
_CALLS = (
    *MOVES,
    *("open", "mkdir", "fdatasync", "ftruncate", "truncate", "write", "pwrite", "writev"),
    *("sendfile", "copy_file_range", "chmod", "fchmod", "utime"),
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC  # os.open with others is not counted
KILL, FULL, INTERRUPT, PAUSE = "kill", "full", "interrupt", "pause"
ACT, WATCH = "act", "watch"
BEFORE, HALF, AFTER = "before", "half", "after"


@dataclass(frozen=True)
class Fault:
    """What happens at the `number`-th call (from 1) of those in `names`, at which moment of it.

    HALF is for writes, of which half the bytes have got through; for other calls it is BEFORE.
    ACT calls `act`, and goes on; PAUSE stops the process until it is continued. WATCH calls `act`
    with the name and the arguments of every call of `os`, before it is made.
    """

    kind: str
    number: int
    moment: str = BEFORE
    names: tuple[str, ...] = _CALLS
    act: Callable[..., object] | None = None


@dataclass(frozen=True)
class Ending:
    """How a process ended.

    Attributes:
        code: 0, that of the converter's error, 130 of an interrupt, 70 of another exception, or
            minus a signal.
        where: the call that the fault struck, "" if there were not as many.
        text: what the process raised.
    """

    code: int
    where: str
    text: str


def faults(
    kind: str,
    *moments: str,
    names: tuple[str, ...] = _CALLS,
    act: Callable[..., object] | None = None,
) -> Iterator[Fault]:
    """Endlessly: at the first call at each of the moments, at the second..."""
    for number in itertools.count(1):
        for moment in moments or (BEFORE,):
            yield Fault(kind, number, moment, names, act)


def attempt(call: Callable[[], object], fault: Fault | None = None, limit: int = 0) -> Ending:
    """Runs `call` in a fork. With `limit`, no file can grow beyond so many bytes."""
    return Attempt(call, fault, limit).ending()


class Attempt:
    """A fork that runs `call`."""

    def __init__(
        self, call: Callable[[], object], fault: Fault | None = None, limit: int = 0
    ) -> None:
        self._reading, writing = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            os.close(self._reading)
            _run(call, fault, limit, writing)
        os.close(writing)
        self._status: int | None = None

    def ended(self, seconds: float) -> bool:
        """Waits for it to end or to be paused, no longer than so; whether it did."""
        until = time.monotonic() + seconds
        while self._status is None:
            child, status = os.waitpid(self._child, os.WNOHANG | os.WUNTRACED)
            if child and os.WIFSTOPPED(status):
                return True
            if child:
                self._status = status
            elif time.monotonic() > until:
                return False
            else:
                time.sleep(0.001)
        return True

    def send(self, number: signal.Signals) -> None:
        if self._status is None:
            os.kill(self._child, number)

    def ending(self) -> Ending:
        """Waits for it to end."""
        with os.fdopen(self._reading, "rb") as pipe:
            told = pipe.read().decode(errors="replace")
        if self._status is None:
            _, self._status = os.waitpid(self._child, 0)
        where, _, text = told.rpartition("\0")
        return Ending(os.waitstatus_to_exitcode(self._status), where, text)


def _run(call: Callable[[], object], fault: Fault | None, limit: int, pipe: int) -> None:
    code, write = 70, os.write
    try:
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        if fault is not None:
            _Counter(fault, pipe, write).install()
        call()
        code = 0
    except KeyboardInterrupt:
        code = 130
    except ConverterError as error:
        code = error.exit_code
        write(pipe, f"{type(error).__name__}: {error}".encode(errors="replace"))
    except BaseException:  # to tell of it
        write(pipe, traceback.format_exc().encode(errors="replace"))
    finally:
        os._exit(code)


class _Counter:
    """Counts calls that change files, and lets the fault strike."""

    def __init__(self, fault: Fault, pipe: int, write: Callable[[int, bytes], int]) -> None:
        self._fault, self._pipe, self._tell = fault, pipe, write
        self._count = 0

    def install(self) -> None:
        for name in _CALLS:
            if hasattr(os, name):
                setattr(os, name, self._wrapped(name, getattr(os, name)))
        builtins.open = io.open = self._opener(io.open)  # type: ignore[assignment]
        if sys.version_info < (3, 11):  # its pathlib has references of its own
            accessor = pathlib._NormalAccessor  # type: ignore[attr-defined]
            for name in ("rename", "replace", "link", "symlink", "unlink", "mkdir", "chmod"):
                setattr(accessor, name, staticmethod(getattr(os, name)))
            accessor.open = staticmethod(io.open)

    def call(self, name: str, function: Callable[[], object]) -> object:
        """Counts a call and makes it; the fault may strike before or after."""
        here = self._strikes(name)
        if here and self._fault.moment != AFTER:
            self._strike()
        try:
            return function()
        finally:  # a call that fails, such as the removal of what is gone, is one, too
            if here and self._fault.moment == AFTER:
                self._strike()

    def write(self, write: Callable[[object], int], data: object) -> object:
        """As `call`; the fault may strike when half of the data is written."""
        if self._fault.moment != HALF:
            return self.call("write", lambda: write(data))
        done = 0
        if self._strikes("write"):
            data = memoryview(data).cast("B")  # type: ignore[arg-type]
            done = write(data[: len(data) // 2])
            data = data[done:]
            self._strike()
        return done + write(data)

    def _strikes(self, name: str) -> bool:
        """Whether this is the call."""
        if name not in self._fault.names:
            return False
        self._count += 1
        if self._count != self._fault.number:
            return False
        self._tell(self._pipe, f"{name} {self._count} {self._fault.moment}\0".encode())
        return True

    def _strike(self) -> None:
        kind = self._fault.kind
        if kind == KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == PAUSE:
            os.kill(os.getpid(), signal.SIGSTOP)
        if kind == INTERRUPT:
            raise KeyboardInterrupt
        if kind == FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self._fault.act is not None:
            self._fault.act()

    def _wrapped(self, name, function):
        def call(*arguments, **options):
            if name == "open" and not arguments[1] & _WRITING:
                return function(*arguments, **options)
            if self._fault.kind == WATCH:
                self._fault.act(name, *arguments)
            return self.call(name, lambda: function(*arguments, **options))

        return call

    def _opener(self, opener):
        counter = self

        class File(io.FileIO):
            def write(self, data):
                return counter.write(super().write, data)

            def truncate(self, size=None):
                cut = super().truncate
                return counter.call("truncate", lambda: cut(size))

        def open(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, **rest):
            if not set(mode) & set("wax+"):
                return opener(file, mode, buffering, encoding, errors, newline, **rest)
            plain = mode.replace("b", "").replace("t", "")
            raw = counter.call("open", lambda: File(file, plain, **rest))
            if buffering == 0:
                return raw
            size = buffering if buffering > 1 else io.DEFAULT_BUFFER_SIZE
            buffered = (io.BufferedRandom if "+" in mode else io.BufferedWriter)(raw, size)
            if "b" in mode:
                return buffered
            return io.TextIOWrapper(buffered, encoding, errors, newline)

        return open
