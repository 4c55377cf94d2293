"""The command lines `python -m odconv_F.train`: from arguments to an exit code."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from traceback import format_exception

from odconv_training.errors import CorruptImageError, TrainingError
from odconv_training.options import Options, parse
from weights_converter import ConverterError, FileError
from weights_converter.errors import legible

_USAGE = 2
_FILES = 5
_BUG = 70  # EX_SOFTWARE of sysexits.h, as of `odconv`
_INTERRUPTED = 130
# Every framework has an error of its own for it, some of them without a name.
_NO_MEMORY = re.compile(
    r"out ?of ?memory|resource.?exhausted|can't allocate memory|not enough memory", re.IGNORECASE
)


def main(
    framework: str, train: Callable[[Options], None], arguments: Sequence[str] | None = None
) -> int:
    """Runs a training and returns its exit code.

    0 done, 2 wrong options, data or checkpoint, 5 a file system error or not enough memory, 70 a
    bug in odconv, 130 interrupted. Each but the first is one line on standard error; `--traceback`
    shows where a bug is.

    Returns:
        The exit code.

    Example:
        >>> main("torch", lambda options: print(options.data), ["--data", "digits"])
        digits
        0
    """
    given = sys.argv[1:] if arguments is None else arguments
    return exit_code(lambda: train(parse(given, framework)), given)


def exit_code(act: Callable[[], None], given: Sequence[str], resumes: bool = True) -> int:
    """Does what a command is for, and says what went wrong; see `main`.

    Args:
        act: parses the arguments and does what they ask for.
        given: the arguments.
        resumes: whether it is a training, which --resume continues after an interrupt.
    """
    try:
        act()
    except (TrainingError, ConverterError, OSError) as error:
        return _report(error)
    except KeyboardInterrupt:
        advice = "; --resume continues from the last checkpoint" if resumes else ""
        sys.stderr.write(f"interrupted{advice}\n")
        return _INTERRUPTED
    except Exception as error:  # no error of ours: whatever it is, the user has done nothing wrong
        if isinstance(error, MemoryError) or _NO_MEMORY.search(_text(error)):
            return _report(FileError("there is not enough memory", "try a smaller --batch-size"))
        return _report_bug(error, "--traceback" in given)
    return 0


def _report(error: ValueError | OSError) -> int:
    sys.stderr.write(f"error: {_line(error)}\n")
    if isinstance(error, ConverterError) and error.help:
        sys.stderr.write(f"help: {error.help}\n")
    if isinstance(error, CorruptImageError):
        sys.stderr.write("help: repair it, or leave it out with --skip-corrupt\n")
    return _FILES if isinstance(error, (OSError, FileError)) else _USAGE


def _line(error: ValueError | OSError) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())


def _report_bug(error: Exception, traceback: bool) -> int:
    if traceback:
        sys.stderr.write("".join(format_exception(error)))
    advice = "please report it" if traceback else "--traceback shows where; please report it"
    sys.stderr.write(f"error: a bug in odconv, {legible(_text(error))} ({advice})\n")
    return _BUG


def _text(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
