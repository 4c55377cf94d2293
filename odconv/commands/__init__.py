"""The commands, in the order of `odconv --help`: one file each, with its options and its run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from odconv.command import Command

# What each does, in one line; known here so that the help needs none of their files.
SUMMARIES: Final[Mapping[str, str]] = {
    "inspect": "show what a checkpoint holds",
    "convert": "convert a checkpoint, read the result back and compare every bit",
    "verify": "compare two checkpoints bit for bit, or one with its own digests",
    "diff": "show by how much the arrays of two checkpoints differ",
    "evaluate": "score a checkpoint on images, in a framework",
    "predict": "classify images with a checkpoint, in a framework",
    "export": "export a checkpoint as a file for a runtime, run it and compare",
    "attend": "write a page that shows how the attentions of a checkpoint depend on images",
    "models": "list the models with their sizes",
    "demo": "convert a small example to every framework and back, and run it in each",
}


def command_named(name: str) -> Command:
    """One of `SUMMARIES`, imported with what it needs.

    Raises:
        KeyError: there is no such command.
    """
    if name == "inspect":
        from odconv.commands.inspect import COMMAND
    elif name == "convert":
        from odconv.commands.convert import COMMAND
    elif name == "verify":
        from odconv.commands.verify import COMMAND
    elif name == "diff":
        from odconv.commands.diff import COMMAND
    elif name == "evaluate":
        from odconv.commands.evaluate import COMMAND
    elif name == "predict":
        from odconv.commands.predict import COMMAND
    elif name == "export":
        from odconv.commands.export import COMMAND
    elif name == "attend":
        from odconv.commands.attend import COMMAND
    elif name == "models":
        from odconv.commands.models import COMMAND
    elif name == "demo":
        from odconv.commands.demo import COMMAND
    else:
        raise KeyError(name)
    return COMMAND
