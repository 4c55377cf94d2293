"""`odconv convert`: a checkpoint of one framework becomes one of another."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from tqdm import tqdm

from odconv.command import Command
from odconv.options import add_isolate, add_json, add_model, request_of, size
from odconv.printing import tell
from weights_converter.arrays.casting import DTYPES, KEEP
from weights_converter.conversion.convert import convert
from weights_converter.conversion.html_report import html_report
from weights_converter.conversion.report import Report
from weights_converter.errors import UsageError, legible
from weights_converter.formats.files.atomic import check_destination, replacing


def _add_options(command: ArgumentParser) -> None:
    add = command.add_argument
    add("source", help="a checkpoint of any format; its content decides which")
    add("destination", help="ends in .pth .pt .safetensors .pdparams .weights.h5 or .npz")
    add("--overwrite", action="store_true", help="replace the destination")
    add("--dry-run", action="store_true", help="do everything but write")
    add("--no-proof", action="store_true", help="neither read the result back nor keep digests")
    add(
        "--dtype",
        choices=(KEEP, *DTYPES),
        default=KEEP,
        help="what floats are cast to; integers never are (default: keep)",
    )
    add("--allow-overflow", action="store_true", help="let too large numbers become infinite")
    add(
        "--allow-half-statistics",
        action="store_true",
        help="cast running statistics to half precision, too",
    )
    add("--allow-nonfinite", action="store_true", help="keep NaN and infinities")
    add(
        "--max-shard-size",
        type=size,
        metavar="SIZE",
        help="write several files of at most 2GB, say, and an index; started again with "
        "--overwrite, a run that was killed continues",
    )
    add("--report", metavar="FILE.html", help="write a page that shows what was done")
    add_json(command, quiet=True)
    add_isolate(command)
    add_model(command)


def _run(options: Namespace) -> int:
    _check_report(options)
    # On standard error, and on a terminal only: that is what disable=None means.
    silent = True if options.quiet or options.json else None
    with tqdm(unit=" arrays", leave=False, disable=silent) as bar:
        report = convert(
            request_of(options, options.source),
            options.destination,
            dtype=options.dtype,
            max_shard_bytes=options.max_shard_size,
            overwrite=options.overwrite,
            proof=not options.no_proof,
            dry_run=options.dry_run,
            allow_nonfinite=options.allow_nonfinite,
            allow_overflow=options.allow_overflow,
            allow_half_statistics=options.allow_half_statistics,
            progress=bar,
        )
    _write_report(options, report)
    tell(options, report)
    return 0


def _check_report(options: Namespace) -> None:
    """Raises an error where the page cannot be written, before any work is done."""
    if options.report is None:
        return
    page = Path(options.report)
    if page.resolve() in (Path(options.source).resolve(), Path(options.destination).resolve()):
        raise UsageError(f"{legible(page.name)} is the source or the destination, not a report")
    check_destination(page, options.overwrite)


def _write_report(options: Namespace, report: Report) -> None:
    if options.report is not None:
        with replacing(Path(options.report), options.overwrite) as part:
            part.write_text(html_report(report), encoding="utf-8")


COMMAND = Command("convert", "convert a checkpoint and prove the result", _add_options, _run)
