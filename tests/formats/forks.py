"""Confined processes that are forks of this one, for tests that need thousands."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO
from unittest import mock

from weights_converter.formats.isolated import child as isolated_child
from weights_converter.formats.isolated import process as isolated_process


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

    with mock.patch.object(isolated_process, "start_process", started):
        yield
