"""`odconv demo`: the package on a checkpoint that comes with it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from odconv.command import Command
from odconv.demonstration.demo import demo
from odconv.options import add_json
from odconv.printing import tell


def _add_options(command: ArgumentParser) -> None:
    add = command.add_argument
    add(
        "folder",
        metavar="FOLDER",
        nargs="?",
        default="odconv_demo",
        help="where the files go (default: odconv_demo)",
    )
    add(
        "--runtime",
        action="append",
        help="torch, paddle, keras-tensorflow, keras-jax or keras-torch; may be given several "
        "times (default: all that are installed)",
    )
    add("--overwrite", action="store_true", help="replace the files of an earlier demo")
    add_json(command, quiet=True)


def _run(options: Namespace) -> int:
    found = demo(options.folder, runtimes=options.runtime, overwrite=options.overwrite)
    tell(options, found)
    return 0 if found.as_published else 1


COMMAND = Command(
    usage="[FOLDER] [options]",
    examples=("odconv demo", "odconv demo folder --runtime torch --overwrite"),
    add_options=_add_options,
    run=_run,
)
