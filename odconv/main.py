"""The `odconv` command: inspect, convert, verify, compare and evaluate checkpoints, list models.

Exit codes: 0 done or equal, 1 the arrays differ or are not those of the model, 2 wrong usage,
3 refused as unsafe, unsupported or lossy, 4 damaged or no checkpoint, 5 file system error,
70 a bug in odconv;
130 and 141, as a shell reports them, where it was interrupted or nobody reads the output.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from traceback import format_exception

from odconv.parser import parser
from weights_converter.errors import ConverterError, FileError, legible

_BUG = 70  # EX_SOFTWARE of sysexits.h
_INTERRUPTED = 130
_NOBODY_READS = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name in a file may have letters that the terminal cannot show.
        sys.stdout.reconfigure(errors="backslashreplace")
    options = parser().parse_args(arguments)
    try:
        code = int(options.run(options))
        sys.stdout.flush()
        return code
    except ConverterError as error:
        return _complain(error)
    except BrokenPipeError:
        # What is left in the buffer would fail again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _NOBODY_READS
    except OSError as error:
        return _complain(FileError(f"{legible(str(error.filename))}: {error.strerror or error}"))
    except MemoryError:
        return _complain(FileError("there is not enough memory"))
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return _INTERRUPTED
    except Exception as error:  # no error of ours: whatever it is, the user has done nothing wrong
        return _own_up(error, options.traceback)


def _own_up(error: Exception, traceback: bool) -> int:
    if traceback:
        sys.stderr.write("".join(format_exception(error)))
    told = legible(" ".join(f"{type(error).__name__}: {error}".split()))
    advice = "please report it" if traceback else "--traceback shows where; please report it"
    sys.stderr.write(f"error: a bug in odconv, {told} ({advice})\n")
    return _BUG


def _complain(error: ConverterError) -> int:
    sys.stderr.write(f"error: {error}\n")
    if error.help:
        sys.stderr.write(f"help: {error.help}\n")
    return error.exit_code
