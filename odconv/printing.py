"""What a command prints on standard output."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from typing import Any


def say(text: str) -> None:
    """Prints lines of text."""
    sys.stdout.write(text + "\n")


def say_json(value: object) -> None:
    """Prints plain values as JSON."""
    say(json.dumps(value, indent=1, allow_nan=False))


def tell(options: Namespace, result: Any) -> None:
    """Prints a result with `to_dict` and `str` in the form that the options ask for."""
    if options.json:
        say_json(result.to_dict())
    elif not options.quiet:
        say(str(result))
