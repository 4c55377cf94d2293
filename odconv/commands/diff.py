"""`odconv diff`: by how much the arrays of two checkpoints differ."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from odconv.command import Command
from odconv.options import add_isolate, add_json, add_model, request_of, second_request
from odconv.printing import say, tell
from weights_converter.comparison.changes import ROWS
from weights_converter.comparison.diff import diff


def _add_options(command: ArgumentParser) -> None:
    command.add_argument("left", metavar="LEFT", help="a checkpoint of any format")
    command.add_argument("right", metavar="RIGHT", help="another one")
    command.add_argument(
        "--atol",
        type=float,
        metavar="X",
        help="largest absolute difference to ignore (default: bits must be equal)",
    )
    command.add_argument(
        "--all", action="store_true", help=f"show every array that differs, not the worst {ROWS}"
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
    if options.all and not (options.json or options.quiet):
        say(found.text(rows=None))
    else:
        tell(options, found)
    return 1 if found.different else 0


COMMAND = Command(
    usage="LEFT RIGHT [options]",
    examples=(
        "odconv diff epoch_90.pth.tar epoch_100.pth.tar",
        "odconv diff model.pdparams model.weights.h5 --atol 1e-6",
    ),
    add_options=_add_options,
    run=_run,
)
