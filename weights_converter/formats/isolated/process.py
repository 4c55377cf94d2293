"""The confined process as its parent sees it: something that may crash, hang, or lie."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weights_converter.errors import ConverterError, DamagedError, FileError, legible
from weights_converter.formats.isolated.protocol import (
    CONTENT,
    ERROR,
    HEADER,
    LONGEST_ERROR,
    REQUEST,
    unpack_error,
)

if sys.platform == "linux":
    import fcntl

_KEPT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")  # some interpreters do not start without
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # others take memory
# -I hides the paths by which this process found its packages, so they are handed over.
PROGRAM = (
    "import sys; sys.path[:] = sys.argv[5:]; del sys.argv[5:]; "
    "from weights_converter.formats.isolated.child import main; main()"
)
_PIPE_BYTES = 1 << 20
_LONGEST_WAIT = 3600.0  # seconds, of one call of the system


class ConfinedProcess:
    """A process that reads one file. It ends with this object, or at its first failure.

    Attributes:
        name: of the file, for messages.
        seconds: that are left for its answers.
    """

    def __init__(self, path: Path, key: str | None, seconds: float, memory: int) -> None:
        self.name = legible(path.name)
        self.seconds = seconds
        self._allowed = seconds
        self._lock = threading.Lock()
        self._failure: tuple[str, str] | None = None
        arguments = [str(path), "" if key is None else f"={key}", str(seconds)]
        self._process = start_process(self.name, [*arguments, str(memory)])
        self._output = self._process.stdout.fileno()  # type: ignore[union-attr]
        if sys.platform == "linux":
            fcntl.fcntl(self._output, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._poll = select.poll()
        self._poll.register(self._output, select.POLLIN)
        weakref.finalize(self, _end, self._process)

    def allow(self, seconds: float) -> None:
        """Adds to the time that is left."""
        self.seconds += seconds
        self._allowed += seconds

    def ask(self, number: int | None, least: int, most: int) -> NDArray[np.uint8]:
        """The array of that number, or the index: between `least` and `most` bytes.

        Raises:
            DamagedError: the process has failed, now or before.
            ConverterError: what it met in the file.
        """
        with self._lock:
            if self._failure is not None:
                raise DamagedError(*self._failure)
            deadline = time.monotonic() + self.seconds
            try:
                if number is not None:
                    self._request(number)
                return self._answer(least, most, deadline)
            finally:
                self.seconds = deadline - time.monotonic()

    def failed(self, deed: str, help: str = "get it again from where it is from") -> DamagedError:
        """Ends the process; the error is what every later question meets, too."""
        _end(self._process)
        fact = f"{self.name} is damaged: the process that read it {deed}"
        self._failure = self._failure or (fact, help)
        return DamagedError(*self._failure)

    def _request(self, number: int) -> None:
        try:
            self._process.stdin.write(REQUEST.pack(number))  # type: ignore[union-attr]
        except BrokenPipeError:
            raise self._ended() from None

    def _answer(self, least: int, most: int, deadline: float) -> NDArray[np.uint8]:
        kind, length = HEADER.unpack(self._bytes(HEADER.size, deadline).tobytes())
        if kind == CONTENT and least <= length <= most:
            return self._bytes(length, deadline)
        if kind == ERROR and length <= LONGEST_ERROR:
            raise self._told(self._bytes(length, deadline).tobytes())
        raise self.failed("gave an impossible answer")

    def _told(self, raw: bytes) -> ConverterError:
        try:
            return unpack_error(raw)
        except ValueError:
            return self.failed("gave an impossible answer")

    def _bytes(self, length: int, deadline: float) -> NDArray[np.uint8]:
        raw = np.empty(length, np.uint8)
        rest = raw.data
        while rest:
            wait = min(deadline - time.monotonic(), _LONGEST_WAIT)
            if wait <= 0 or not self._poll.poll(wait * 1000):
                if deadline > time.monotonic():
                    continue
                raise self._late()
            count = os.readv(self._output, [rest])
            if not count:
                raise self._ended()
            rest = rest[count:]
        return raw

    def _late(self) -> DamagedError:
        return self.failed(
            f"took more than {self._allowed:.3g} seconds",
            "if it is only large, or the disk slow, allow it more time",
        )

    def _ended(self) -> DamagedError:
        status = self._process.wait()
        if status == -signal.SIGXCPU:
            return self._late()
        how = signal.Signals(-status).name if status < 0 else f"status {status}"
        return self.failed(f"ended with {how}")


def start_process(name: str, arguments: list[str]) -> subprocess.Popen[bytes]:
    """Starts `PROGRAM`, which has pipes to this process; `name` is the file's, for messages."""
    paths = [entry or str(Path.cwd()) for entry in sys.path]
    command = [sys.executable, "-I", "-c", PROGRAM, *arguments, *paths]
    kept = {variable: os.environ[variable] for variable in _KEPT if variable in os.environ}
    try:
        return subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=kept | _ONE_THREAD,
            start_new_session=True,  # an interrupt at the terminal is for this process alone
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise FileError(f"cannot start a process that reads {name}: {reason}") from error


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout):
        pipe.close()  # type: ignore[union-attr]
    process.wait()
