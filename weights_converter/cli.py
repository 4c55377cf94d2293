"""The `odconv` command: inspect, convert, verify, compare and evaluate checkpoints, list models.

Exit codes: 0 done or equal, 1 the arrays differ or are not those of the model, 2 wrong usage,
3 refused as unsafe, unsupported or lossy, 4 damaged or no checkpoint, 5 the file system said no,
70 a bug in odconv;
130 and 141, as a shell reports them, where it was interrupted or nobody reads the output.
"""

from __future__ import annotations

import io
import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from traceback import format_exception
from types import MappingProxyType
from typing import Any

from tqdm import tqdm

from odconv_spec import list_models, model_spec, multiply_adds
from weights_converter.cli_options import parser
from weights_converter.comparison.diff import diff
from weights_converter.comparison.inspect import inspect
from weights_converter.comparison.verify import verify, verify_digests
from weights_converter.conversion.convert import convert
from weights_converter.conversion.html_report import html_report
from weights_converter.conversion.report import Report
from weights_converter.errors import ConverterError, FileError, UsageError, legible
from weights_converter.formats.files.atomic import check_destination, replacing
from weights_converter.outputs import SIZE, TOLERANCE, verify_outputs
from weights_converter.published import published_table

_BUG = 70  # EX_SOFTWARE of sysexits.h
_INTERRUPTED = 130
_NOBODY_READS = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name in a file may have letters that the terminal cannot show.
        sys.stdout.reconfigure(errors="backslashreplace")
    options = parser(_RUNS).parse_args(arguments)
    try:
        code = int(options.run(options))
        sys.stdout.flush()
        return code
    except ConverterError as error:
        return _complain(error)
    except BrokenPipeError:
        # What is left in the buffer would fail again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _NOBODY_READS
    except OSError as error:
        return _complain(FileError(f"{legible(str(error.filename))}: {error.strerror or error}"))
    except MemoryError:
        return _complain(FileError("there is not enough memory"))
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return _INTERRUPTED
    except Exception as error:  # no error of ours: whatever it is, the user has done nothing wrong
        return _own_up(error, options.traceback)


def _inspect(options: Namespace) -> int:
    found = inspect(
        options.file,
        options.model,
        stages=options.stages,
        key=options.key,
        ignore=options.ignore,
        statistics=options.stats,
        isolate=options.isolate,
    )
    if options.json:
        _say_json(found.to_dict())
    else:
        _say(str(found))
        if options.arrays or options.stats:
            _say(found.table())
    return 0


def _convert(options: Namespace) -> int:
    _check_report(options)
    # On standard error, and on a terminal only: that is what disable=None means.
    silent = True if options.quiet or options.json else None
    with tqdm(unit=" arrays", leave=False, disable=silent) as bar:
        report = convert(
            options.source,
            options.destination,
            options.model,
            stages=options.stages,
            key=options.key,
            ignore=options.ignore,
            dtype=options.dtype,
            max_shard_bytes=options.max_shard_size,
            overwrite=options.overwrite,
            proof=not options.no_proof,
            dry_run=options.dry_run,
            isolate=options.isolate,
            allow_nonfinite=options.allow_nonfinite,
            allow_overflow=options.allow_overflow,
            allow_half_statistics=options.allow_half_statistics,
            progress=bar,
        )
    _write_report(options, report)
    _tell(options, report)
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


def _verify(options: Namespace) -> int:
    if options.outputs:
        return _verify_outputs(options)
    if options.runtime or options.tolerance is not None or options.outputs_size is not None:
        raise UsageError(
            "arrays are compared bit for bit, models by what they compute", help="add --outputs"
        )
    if options.right is None:
        found = verify_digests(
            options.left,
            options.model,
            stages=options.stages,
            key=options.key,
            ignore=options.ignore,
            isolate=options.isolate,
        )
    else:
        found = verify(
            options.left,
            options.right,
            options.model,
            stages=options.stages,
            key=options.key,
            ignore=options.ignore,
            isolate=options.isolate,
        )
    _tell(options, found)
    return 0 if found.equal else 1


def _verify_outputs(options: Namespace) -> int:
    found = verify_outputs(
        options.left,
        options.right,
        options.model,
        runtimes=options.runtime,
        stages=options.stages,
        key=options.key,
        ignore=options.ignore,
        size=options.outputs_size or SIZE,
        tolerance=TOLERANCE if options.tolerance is None else options.tolerance,
        isolate=options.isolate,
    )
    if options.json:
        _say_json([comparison.to_dict() for comparison in found])
    elif not options.quiet:
        _say("\n".join(map(str, found)))
    return 0 if all(comparison.equal for comparison in found) else 1


def _diff(options: Namespace) -> int:
    found = diff(
        options.left,
        options.right,
        options.model,
        stages=options.stages,
        atol=options.atol,
        ignore=options.ignore,
        isolate=options.isolate,
    )
    _tell(options, found)
    return 1 if found.different else 0


def _evaluate(options: Namespace) -> int:
    try:
        # Of all commands only this one needs a framework and Pillow.
        from weights_converter.evaluation_command import run

        _tell(options, run(options))
    except ModuleNotFoundError as error:
        raise UsageError(
            f"evaluate needs {error.name}, which is not installed",
            help=f"pip install 'odconv[{options.framework},train]'",
        ) from error
    return 0


def _models(options: Namespace) -> int:
    if options.published:
        _say(published_table())
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
        _say_json(rows)
        return 0
    _say(f"{'model':<20}  {'parameters':>12}  {'multiply-adds':>14}")
    for row in rows:
        _say(f"{row['model']:<20}  {row['parameters']:>12,}  {row['multiply_adds']:>14,}")
    return 0


_RUNS: Mapping[str, Callable[[Namespace], int]] = MappingProxyType(
    {
        "inspect": _inspect,
        "convert": _convert,
        "verify": _verify,
        "diff": _diff,
        "evaluate": _evaluate,
        "models": _models,
    }
)


def _tell(options: Namespace, found: Any) -> None:
    """Prints what was found in the form that was asked for."""
    if options.json:
        _say_json(found.to_dict())
    elif not options.quiet:
        _say(str(found))


def _say_json(value: object) -> None:
    _say(json.dumps(value, indent=1, allow_nan=False))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _own_up(error: Exception, traceback: bool) -> int:
    if traceback:
        sys.stderr.write("".join(format_exception(error)))
    told = legible(" ".join(f"{type(error).__name__}: {error}".split()))
    advice = "please report it" if traceback else "--traceback shows where; please report it"
    sys.stderr.write(f"error: a bug in odconv, {told} ({advice})\n")
    return _BUG


def _complain(error: ConverterError) -> int:
    sys.stderr.write(f"error: {error}\n")
    if error.help:
        sys.stderr.write(f"help: {error.help}\n")
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
