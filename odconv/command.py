"""What a file in `odconv/commands` defines."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: what is typed after `odconv`.
        summary: what it does, in one line.
        add_options: declares its options.
        run: does it, with the options as they were given, and returns the exit code.
    """

    name: str
    summary: str
    add_options: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]
