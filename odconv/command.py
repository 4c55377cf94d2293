"""What a file in `odconv/commands` defines; its name and summary are in `SUMMARIES` there."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        usage: its arguments, in one line.
        examples: whole command lines, the most common one first.
        add_options: declares its options.
        run: does it, with the options as they were given, and returns the exit code.
    """

    usage: str
    examples: tuple[str, ...]
    add_options: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]
