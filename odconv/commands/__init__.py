"""The commands, in the order of `odconv --help`: one file each, with its options and its run."""

from odconv.command import Command
from odconv.commands import convert, diff, evaluate, inspect, models, verify

COMMANDS: tuple[Command, ...] = (
    inspect.COMMAND,
    convert.COMMAND,
    verify.COMMAND,
    diff.COMMAND,
    evaluate.COMMAND,
    models.COMMAND,
)
