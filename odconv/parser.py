"""The parser of the command line: the commands and what all of them have."""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter

from odconv.commands import COMMANDS
from weights_converter.conversion.provenance import release

_DESCRIPTION = """Reads, converts, compares and lists checkpoints of dynamic convolutions.

No framework is needed, and nothing in a file is run."""
_EXIT_CODES = """exit codes:
  0  done; equal
  1  the arrays differ, or are not those of the model
  2  wrong usage
  3  refused: the file is unsafe or unsupported, or values would be lost
  4  the file is damaged, or no checkpoint
  5  file system error
  70 a bug in odconv; --traceback shows where
  130 and 141: interrupted, or nobody reads the output any more"""


def parser() -> ArgumentParser:
    """The parser; `options.run` of what it parsed is the command's `run`."""
    whole = _described(ArgumentParser(prog="odconv", description=_DESCRIPTION))
    whole.add_argument("--version", action="version", version=release())
    commands = whole.add_subparsers(required=True, metavar="command")
    for command in COMMANDS:
        description = f"{command.summary.capitalize()}."
        one = commands.add_parser(command.name, help=command.summary, description=description)
        _described(one).set_defaults(run=command.run)
        one.add_argument(
            "--traceback", action="store_true", help="show where a bug in odconv has struck"
        )
        command.add_options(one)
    return whole


def _described(command: ArgumentParser) -> ArgumentParser:
    command.formatter_class = RawDescriptionHelpFormatter
    command.epilog = _EXIT_CODES
    return command
