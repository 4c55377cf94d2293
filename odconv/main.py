# PYTHON_ARGCOMPLETE_OK
"""The `odconv` command from outside: whatever happens ends in an exit code and at most a sentence.

Exit codes: 0 done or equal, 1 the arrays differ or are not those of the model, 2 wrong usage,
3 refused as unsafe, unsupported or lossy, 4 damaged or no checkpoint, 5 file system error or not
enough memory, 70 a bug in odconv;
130 and 141, as a shell reports them, where it was interrupted or nobody reads the output.

Nothing but the standard library is imported before `main` runs: a limit on memory may strike while
NumPy is imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

_SYSTEM = 5
_BUG = 70  # EX_SOFTWARE of sysexits.h
_INTERRUPTED = 130
_NOBODY_READS = 141
# What the dynamic loader says where a library does not fit into a limit on memory.
_NO_MEMORY = ("failed to map segment", "cannot allocate", "out of memory")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command, those of the process by default, and returns its exit code."""
    _fill_closed_descriptors()
    try:
        from odconv.run import run

        return run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        return _ended("interrupted", _INTERRUPTED)
    except BrokenPipeError:
        from odconv.printing import drop_output

        drop_output()
        return _NOBODY_READS
    except MemoryError:
        return _ended("error: there is not enough memory", _SYSTEM)
    except ImportError as error:
        if any(words in str(error).lower() for words in _NO_MEMORY):
            return _ended("error: there is not enough memory", _SYSTEM)
        return _ended(f"error: odconv cannot start: {str(error)!a}", _BUG)


def _fill_closed_descriptors() -> None:
    """Opens /dev/null in the place of closed standard streams: no checkpoint may take their number.

    `sys.stdout` stays None, so that printing is an error; there is no telling without `sys.stderr`.
    """
    if None in (sys.stdin, sys.stdout, sys.stderr):
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            os.set_inheritable(descriptor, True)
        os.close(descriptor)
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace")


def _ended(sentence: str, code: int) -> int:
    with suppress(OSError):
        sys.stderr.write(f"{sentence}\n")
    return code
