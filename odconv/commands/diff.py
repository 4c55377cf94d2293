"""`odconv diff`: by how much the arrays of two checkpoints differ."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from odconv.command import Command
from odconv.options import add_isolate, add_json, add_model, request_of, second_request
from odconv.printing import tell
from weights_converter.comparison.diff import diff


def _add_options(command: ArgumentParser) -> None:
    command.add_argument("left")
    command.add_argument("right")
    command.add_argument(
        "--atol",
        type=float,
        metavar="X",
        help="the largest absolute difference that is none (default: bits must be equal)",
    )
    add_json(command, quiet=True)
    add_isolate(command)
    add_model(command)


def _run(options: Namespace) -> int:
    found = diff(
        request_of(options, options.left),
        second_request(options, options.right),
        atol=options.atol,
    )
    tell(options, found)
    return 1 if found.different else 0


COMMAND = Command(
    "diff", "show by how much the arrays of two checkpoints differ", _add_options, _run
)
