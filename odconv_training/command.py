"""The command lines `python -m odconv_F.train`: from arguments to an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from odconv_training.errors import TrainingError
from odconv_training.options import Options, parse
from weights_converter import ConverterError, FileError

_USAGE = 2
_FILES = 5
_INTERRUPTED = 130


def main(
    framework: str, train: Callable[[Options], None], arguments: Sequence[str] | None = None
) -> int:
    """Runs a training and returns its exit code.

    0 done, 2 wrong options, data or checkpoint, 5 the file system said no, 130 interrupted. What
    is the user's to mend is one line on standard error; anything else is a traceback.
    """
    try:
        options = parse(arguments, framework)
    except (ValueError, OSError) as error:  # also what odconv_spec says about a model's options
        return _complain(error)
    try:
        train(options)
    except (TrainingError, ConverterError, OSError) as error:
        return _complain(error)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; --resume goes on from the last checkpoint\n")
        return _INTERRUPTED
    return 0


def _complain(error: ValueError | OSError) -> int:
    sys.stderr.write(f"error: {_line(error)}\n")
    if isinstance(error, ConverterError) and error.help:
        sys.stderr.write(f"help: {error.help}\n")
    return _FILES if isinstance(error, (OSError, FileError)) else _USAGE


def _line(error: ValueError | OSError) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())
