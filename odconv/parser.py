"""The parser of the command line: the commands, and what they say of wrong words."""

from __future__ import annotations

from argparse import (
    Action,
    ArgumentError,
    ArgumentParser,
    Namespace,
    RawDescriptionHelpFormatter,
)
from collections.abc import Sequence
from typing import NoReturn

from odconv.command import Command
from odconv.commands import SUMMARIES, command_named
from odconv.printing import complain, say

_DESCRIPTION = """Inspects, converts, compares, evaluates and exports checkpoints of dynamic
convolutions.

No code in a file is run. Only `evaluate`, `predict`, `attend`, `export` and `verify --outputs` need
a framework."""
_EXAMPLES = (
    "odconv demo",
    "odconv inspect model_best.pth.tar",
    "odconv convert model_best.pth.tar model.pdparams",
    "odconv convert --help",
)
_EXIT_CODES = """exit codes:
  0    done, or equal
  1    the arrays differ, or are not those of the model
  2    wrong usage
  3    refused: the file is unsafe or unsupported, or values would be lost
  4    the file is damaged, or not a checkpoint
  5    file system error, or not enough memory
  70   a bug in odconv; --traceback shows where
  130  interrupted
  141  the program that reads the output has ended"""


class Parser(ArgumentParser):
    """A parser whose errors come with an example."""

    example = "odconv inspect model_best.pth.tar"

    def options(self, words: Sequence[str]) -> Namespace:
        """The options of one command; `run` among them is the command's.

        Raises SystemExit after help and after an error.
        """
        if not words:
            complain(self.format_help().rstrip())
            self.exit(2)
        options, unknown = self.parse_known_args(words)
        if unknown:
            options.parser.error(f"unknown arguments: {' '.join(map(repr, unknown))}")
        return options

    def _check_value(self, action: Action, value: object) -> None:
        """Says of a value that is none of the choices what was expected, in our words.

        Those of argparse differ between versions of Python.
        """
        from difflib import get_close_matches  # after an error only

        choices = None if action.choices is None else tuple(map(str, action.choices))
        if choices is not None and str(value) not in choices:
            near = get_close_matches(str(value), choices, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ArgumentError(
                action, f"expected one of {', '.join(choices)}, received {value!r}{hint}"
            )

    def print_help(self, file: object = None) -> None:
        """Prints the help as everything else is printed."""
        say(self.format_help().rstrip())

    def error(self, message: str) -> NoReturn:
        """Says what is wrong, how it is done and an example, and exits with code 2."""
        complain(f"error: {' '.join(message.splitlines())}")
        complain(self.format_usage().rstrip())
        complain(f"example: {self.example}")
        complain(f"help: {self.prog} --help")
        self.exit(2)


class _Version(Action):
    """Prints the version as everything else is printed."""

    def __call__(self, parser: ArgumentParser, *_: object) -> None:
        from weights_converter.release import release  # with what the help does without

        say(release())
        parser.exit()


def parser_for(words: Sequence[str]) -> Parser:
    """The parser of `odconv`, in which only the command among the words has its options."""
    whole = Parser(
        prog="odconv",
        usage="%(prog)s [--help] [--version] COMMAND ...",
        description=_DESCRIPTION,
        epilog=_epilog(_EXAMPLES),
        formatter_class=RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action=_Version, nargs=0, help="show the version")
    commands = whole.add_subparsers(
        required=True, metavar="COMMAND", title="commands", prog="odconv"
    )
    chosen = next((word for word in words if not word.startswith("-")), None)
    for name, summary in SUMMARIES.items():
        one = commands.add_parser(name, help=summary, formatter_class=RawDescriptionHelpFormatter)
        if name == chosen:
            _fill(one, summary, command_named(name))
    return whole


def _fill(parser: Parser, summary: str, command: Command) -> None:
    """Gives the parser of a command its options and texts."""
    parser.usage = f"%(prog)s {command.usage}"
    parser.description = f"{summary[0].upper()}{summary[1:]}."
    parser.epilog = _epilog(command.examples)
    parser.example = command.examples[0]
    parser.set_defaults(run=command.run, parser=parser)
    command.add_options(parser)
    parser.add_argument(
        "--traceback", action="store_true", help="show where a bug in odconv occurred"
    )


def _epilog(examples: Sequence[str]) -> str:
    lines = "\n".join(("examples:", *(f"  {example}" for example in examples)))
    return f"{lines}\n\n{_EXIT_CODES}"
