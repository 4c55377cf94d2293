"""`odconv models`: the names of the models, and their sizes."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from odconv.command import Command
from odconv.options import add_json, positive
from odconv.printing import say, say_json
from odconv.published_table import published_table
from odconv_spec import list_models, model_spec, multiply_adds


def _add_options(command: ArgumentParser) -> None:
    command.add_argument(
        "--size",
        type=positive,
        default=224,
        metavar="N",
        help="height and width of the image, for multiply-adds (default: 224)",
    )
    command.add_argument(
        "--published", action="store_true", help="compare with the published sizes"
    )
    add_json(command)


def _run(options: Namespace) -> int:
    if options.published:
        say(published_table())
        return 0
    rows = [
        {
            "model": name,
            "parameters": spec.trainable_count(),
            "multiply_adds": multiply_adds(spec, options.size),
        }
        for name, spec in ((name, model_spec(name)) for name in list_models())
    ]
    if options.json:
        say_json(rows)
        return 0
    say(f"{'model':<20}  {'parameters':>12}  {'multiply-adds':>14}")
    for row in rows:
        say(f"{row['model']:<20}  {row['parameters']:>12,}  {row['multiply_adds']:>14,}")
    return 0


COMMAND = Command(
    usage="[options]",
    examples=("odconv models", "odconv models --size 160", "odconv models --published"),
    add_options=_add_options,
    run=_run,
)
