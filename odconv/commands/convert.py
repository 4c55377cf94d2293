"""`odconv convert`: a checkpoint of one framework becomes one of another."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from contextlib import AbstractContextManager, nullcontext

from odconv.command import Command
from odconv.options import add_isolate, add_json, add_model, request_of, size
from odconv.printing import complain, tell
from odconv_spec.detectors import CODES
from weights_converter.arrays.casting import DTYPES, KEEP
from weights_converter.conversion.convert import convert
from weights_converter.conversion.progress import Progress
from weights_converter.errors import legible


def _add_options(command: ArgumentParser) -> None:
    add = command.add_argument
    add("source", metavar="SOURCE", help="a checkpoint of any format; its content decides which")
    add(
        "destination",
        metavar="DESTINATION",
        help="the file to write: .pth, .pt, .safetensors, .pdparams, .weights.h5 or .npz; or a "
        "folder for the hub: FOLDER/",
    )
    add(
        "--overwrite",
        action="store_true",
        help="replace the destination and the report, if they exist",
    )
    add("--dry-run", action="store_true", help="do everything but write")
    add("--no-proof", action="store_true", help="do not read the result back, and store no digests")
    add(
        "--dtype",
        choices=(KEEP, *DTYPES),
        default=KEEP,
        help="dtype to which all floats are cast; integers stay (default: keep)",
    )
    add(
        "--names",
        choices=tuple(CODES),
        help="code whose names and order of classes a detector gets (default: paddledetection in "
        ".pdparams, otherwise torchvision)",
    )
    add(
        "--allow-overflow",
        action="store_true",
        help="let numbers that are too large for the dtype become infinite",
    )
    add(
        "--allow-half-statistics",
        action="store_true",
        help="also cast running statistics to half precision",
    )
    add("--allow-nonfinite", action="store_true", help="keep NaN and infinities")
    add(
        "--max-shard-size",
        type=size,
        metavar="SIZE",
        help="write several files, each of at most SIZE, such as 2GB, and an index",
    )
    add("--report", metavar="FILE.html", help="write a page that shows what was converted and how")
    add_json(command, quiet=True)
    add_isolate(command)
    add_model(command)


def _run(options: Namespace) -> int:
    with _bar(silent=options.quiet or options.json) as bar:
        report = convert(
            request_of(options, options.source),
            options.destination,
            dtype=options.dtype,
            names=options.names,
            max_shard_bytes=options.max_shard_size,
            overwrite=options.overwrite,
            proof=not options.no_proof,
            dry_run=options.dry_run,
            allow_nonfinite=options.allow_nonfinite,
            allow_overflow=options.allow_overflow,
            allow_half_statistics=options.allow_half_statistics,
            report=options.report,
            progress=bar,
        )
    tell(options, report)
    if options.dry_run and not options.overwrite and report.destination.exists():
        name = legible(report.destination.name)
        complain(f"note: {name} exists already; without --overwrite it would not be replaced")
    return 0


def _bar(silent: bool) -> AbstractContextManager[Progress | None]:
    """A bar on standard error, where that is a terminal."""
    if silent or not sys.stderr.isatty():
        return nullcontext()
    from tqdm import tqdm  # takes as long to import as half of NumPy

    tqdm.monitor_interval = 0  # of a thread, which a limit may forbid
    bar: AbstractContextManager[Progress] = tqdm(unit=" arrays", leave=False)
    return bar


COMMAND = Command(
    usage="SOURCE DESTINATION [options]",
    examples=(
        "odconv convert model_best.pth.tar model.pdparams",
        "odconv convert model.pdparams model.weights.h5 --report page.html",
        "odconv convert last.ckpt model.safetensors --key ema --dtype bfloat16",
        "odconv convert last.ckpt hub/",
    ),
    add_options=_add_options,
    run=_run,
)
