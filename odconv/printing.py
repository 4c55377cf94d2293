"""What a command prints, all of which goes through `printable`."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from contextlib import suppress
from typing import Any

from weights_converter.errors import FileError, printable
from weights_converter.plain import plain


def say(text: str) -> None:
    """Prints lines of text.

    Raises:
        FileError: standard output is closed, or the disk behind it is full.
        BrokenPipeError: nobody reads it.
    """
    if sys.stdout is None:
        raise FileError("cannot print: standard output is closed")
    try:
        sys.stdout.write(printable(text) + "\n")
        sys.stdout.flush()  # here, where it is known what has failed
    except BrokenPipeError:
        raise
    except OSError as error:
        drop_output()
        raise FileError(f"cannot print: {error.strerror or error}") from error


def say_json(value: object) -> None:
    """Prints plain values as JSON, in which control characters are escaped."""
    say(json.dumps(plain(value), indent=1, allow_nan=False))


def tell(options: Namespace, result: Any) -> None:
    """Prints a result with `to_dict` and `str` in the form that the options ask for."""
    if options.json:
        say_json(result.to_dict())
    elif not options.quiet:
        say(str(result))


def complain(text: str) -> None:
    """Prints lines of text on standard error. The exit code tells where nobody reads them."""
    with suppress(OSError):
        sys.stderr.write(printable(text) + "\n")


def drop_output() -> None:
    """Gives up what is left to print, which would fail again when the interpreter ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
