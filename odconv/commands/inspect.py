"""`odconv inspect`: what a checkpoint holds."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from odconv.command import Command
from odconv.options import add_isolate, add_json, add_model, request_of
from odconv.printing import say, say_json
from weights_converter.comparison.inspect import inspect


def _add_options(command: ArgumentParser) -> None:
    command.add_argument("file", metavar="FILE", help="a checkpoint of any format")
    command.add_argument("--arrays", action="store_true", help="list all arrays")
    command.add_argument(
        "--stats", action="store_true", help="list all arrays with the range of their values"
    )
    add_json(command)
    add_isolate(command)
    add_model(command)


def _run(options: Namespace) -> int:
    found = inspect(request_of(options, options.file), statistics=options.stats)
    if options.json:
        say_json(found.to_dict())
    else:
        say(str(found))
        if options.arrays or options.stats:
            say(found.table())
    return 0


COMMAND = Command(
    usage="FILE [options]",
    examples=(
        "odconv inspect model_best.pth.tar",
        "odconv inspect model.weights.h5 --arrays --stats",
    ),
    add_options=_add_options,
    run=_run,
)
