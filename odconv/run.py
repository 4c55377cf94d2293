"""One command from its words to its exit code."""

from __future__ import annotations

import io
import mmap
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from traceback import format_exception

from odconv.commands import SUMMARIES
from odconv.parser import parser_for
from odconv.printing import complain
from weights_converter.errors import ConverterError, FileError, legible

_BUG = 70
_BLAS_THREADS = "OPENBLAS_NUM_THREADS"
_LEAST_MEMORY = 80 << 20  # bytes of address space that NumPy and the converter take, about


def run(words: Sequence[str]) -> int:
    """Runs a command, given what is typed after `odconv`, and returns its exit code.

    Raises:
        KeyboardInterrupt, BrokenPipeError, MemoryError: see `odconv.main`.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name in a file may have letters that the terminal cannot show.
        sys.stdout.reconfigure(errors="backslashreplace")
    if "_ARGCOMPLETE" in os.environ:  # a shell asks how the line may continue
        from odconv.completion import complete

        return complete()
    if not SUMMARIES.keys().isdisjoint(words):  # the help alone needs none
        _import_numpy()
    parser = parser_for(words)
    try:
        options = parser.options(words)
        return int(options.run(options))
    except SystemExit as stop:  # after help, and after wrong usage
        return int(stop.code or 0)
    except (BrokenPipeError, MemoryError):
        raise
    except ConverterError as error:
        return _explain(error)
    except OSError as error:
        return _explain(_system(error))
    except Exception as error:  # no error of ours: whatever it is, the user has done nothing wrong
        if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
            return _explain(FileError("the system allows no more threads, or no memory for one"))
        return _own_up(error, "--traceback" in words)


def _import_numpy() -> None:
    """Imports NumPy with one thread for its algebra, which no command needs.

    Where a limit forbids threads, OpenBLAS would send the process an interrupt, and where one
    forbids its memory it would end the process with code 1.

    Raises:
        MemoryError: a limit leaves too little memory.
    """
    try:
        mmap.mmap(-1, _LEAST_MEMORY).close()
    except OSError as error:
        raise MemoryError from error
    before = os.environ.get(_BLAS_THREADS)
    os.environ[_BLAS_THREADS] = "1"
    try:
        with _interrupts_held():
            import numpy as np

        del np
    finally:
        if before is None:
            del os.environ[_BLAS_THREADS]
        else:
            os.environ[_BLAS_THREADS] = before


def _system(error: OSError) -> ConverterError:
    reason = error.strerror or str(error)
    if error.filename is None:
        return FileError(legible(reason))
    return FileError(f"{legible(os.fsdecode(error.filename))}: {legible(reason)}")


def _own_up(error: Exception, traceback: bool) -> int:
    if traceback:
        complain("".join(format_exception(error)).rstrip("\n"))
    told = legible(" ".join(f"{type(error).__name__}: {error}".split()))
    advice = "please report it" if traceback else "--traceback shows where; please report it"
    complain(f"error: a bug in odconv, {told} ({advice})")
    return _BUG


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Lets an interrupt wait: in C code of an import it would become an error of that code."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _explain(error: ConverterError) -> int:
    complain(f"error: {error}")
    if error.help:
        complain(f"help: {error.help}")
    return error.exit_code
