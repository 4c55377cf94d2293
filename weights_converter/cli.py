"""The `odconv` command: inspect, convert and verify checkpoints, list the models.

Exit codes: 0 done or equal, 1 the arrays differ or are not those of the model, 2 wrong usage,
3 refused as unsafe, 4 damaged or no checkpoint, 5 the file system said no.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from tqdm import tqdm

from odconv_spec import list_models, model_spec, multiply_adds
from weights_converter.conversion import convert
from weights_converter.errors import ConverterError, UsageError
from weights_converter.inspection import inspect
from weights_converter.published import published_table
from weights_converter.verification import verify


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except ConverterError as error:
        _complain(error)
        return error.exit_code
    except ValueError as error:  # an option that odconv_spec refuses
        _complain(UsageError(str(error)))
        return UsageError.exit_code


def _inspect(options: argparse.Namespace) -> int:
    found = inspect(options.file, options.model, stages=options.stages, key=options.key)
    if options.json:
        _say(json.dumps(found.to_dict(), indent=1))
    else:
        _say(str(found))
        if options.arrays:
            _say(found.table())
    return 0


def _convert(options: argparse.Namespace) -> int:
    # On standard error, and on a terminal only: that is what disable=None means.
    with tqdm(unit=" arrays", leave=False, disable=True if options.quiet else None) as bar:
        report = convert(
            options.source,
            options.destination,
            options.model,
            stages=options.stages,
            key=options.key,
            overwrite=options.overwrite,
            progress=bar,
        )
    if not options.quiet:
        _say(str(report))
    return 0


def _verify(options: argparse.Namespace) -> int:
    comparison = verify(options.left, options.right, options.model, stages=options.stages)
    if not options.quiet:
        _say(str(comparison))
    return 0 if comparison.equal else 1


def _models(options: argparse.Namespace) -> int:
    if options.published:
        _say(published_table())
        return 0
    _say(f"{'model':<20}  {'parameters':>12}  {'multiply-adds':>14}")
    for name in list_models():
        spec = model_spec(name)
        sizes = f"{spec.trainable_count():>12,}  {multiply_adds(spec, options.size):>14,}"
        _say(f"{name:<20}  {sizes}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="odconv", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(required=True, metavar="command")
    one = _command(commands, "inspect", _inspect, "show what a checkpoint holds")
    one.add_argument("file")
    one.add_argument("--arrays", action="store_true", help="list every array")
    one.add_argument("--json", action="store_true", help="print everything as JSON")
    _model_options(one)
    two = _command(commands, "convert", _convert, "convert a checkpoint and prove the result")
    two.add_argument("source", help="a checkpoint of any format; its content decides which")
    two.add_argument("destination", help="ends in .pth .pt .safetensors .pdparams or .weights.h5")
    two.add_argument("--overwrite", action="store_true", help="replace the destination")
    two.add_argument("--quiet", action="store_true", help="print errors only")
    _model_options(two)
    three = _command(commands, "verify", _verify, "compare two checkpoints bit for bit")
    three.add_argument("left")
    three.add_argument("right")
    three.add_argument("--quiet", action="store_true", help="print errors only")
    _model_options(three, key=False)
    four = _command(commands, "models", _models, "list the models with their sizes")
    four.add_argument("--size", type=int, default=224, help="of the image, for multiply-adds")
    four.add_argument(
        "--published", action="store_true", help="compare with the sizes that were published"
    )
    return parser


def _command(commands: Any, name: str, run: Any, help: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help, description=help)
    parser.set_defaults(run=run)
    return parser


def _model_options(parser: argparse.ArgumentParser, key: bool = True) -> None:
    parser.add_argument(
        "--model", help="a name, or a .json file with a spec; found out from the arrays if left out"
    )
    parser.add_argument(
        "--stages",
        type=_stages,
        metavar="TABLE",
        help="stage table of a MobileNetV2 that is not the published one, a row for each stage: "
        "'expansion,channels,blocks,stride ...'",
    )
    if key:
        parser.add_argument("--key", help="which state dict to take from a file with several")


def _stages(text: str) -> list[list[int]]:
    try:
        return [[int(number) for number in row.split(",")] for row in text.split()]
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"expected rows like '1,16,1,1 6,24,2,2', received {text!r}"
        ) from error


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _complain(error: ConverterError) -> None:
    sys.stderr.write(f"error: {error}\n")
    if error.help:
        sys.stderr.write(f"help: {error.help}\n")


if __name__ == "__main__":
    sys.exit(main())
