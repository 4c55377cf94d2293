"""The options of the `odconv` command."""

from __future__ import annotations

import re
from argparse import (
    ArgumentParser,
    ArgumentTypeError,
    BooleanOptionalAction,
    RawDescriptionHelpFormatter,
)
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from weights_converter.arrays.casting import DTYPES, KEEP
from weights_converter.outputs import SIZE, TOLERANCE

DESCRIPTION = """Reads, converts, compares and lists checkpoints of dynamic convolutions.

No framework is needed, and nothing in a file is run."""
EXIT_CODES = """exit codes:
  0  done; equal
  1  the arrays differ, or are not those of the model
  2  wrong usage
  3  refused: the file is unsafe or unsupported, or values would be lost
  4  the file is damaged, or no checkpoint
  5  the file system said no
  70 a bug in odconv; --traceback shows where
  130 and 141: interrupted, or nobody reads the output any more"""

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]i?)?B?", re.IGNORECASE)
_UNITS = MappingProxyType({"": 0, "k": 1, "m": 2, "g": 3, "t": 4})


def parser(runs: Mapping[str, Callable[[Any], int]]) -> ArgumentParser:
    """The parser; `options.run` is what `runs` has for the command."""
    whole = _described(ArgumentParser(prog="odconv", description=DESCRIPTION))
    commands = whole.add_subparsers(required=True, metavar="command")
    for name, add_options, summary in (
        ("inspect", _inspect, "show what a checkpoint holds"),
        ("convert", _convert, "convert a checkpoint and prove the result"),
        ("verify", _verify, "compare two checkpoints bit for bit, or one with its own digests"),
        ("diff", _diff, "show by how much the arrays of two checkpoints differ"),
        ("evaluate", _evaluate, "score a checkpoint on images, in a framework"),
        ("models", _models, "list the models with their sizes"),
    ):
        command = commands.add_parser(name, help=summary, description=f"{summary.capitalize()}.")
        _described(command).set_defaults(run=runs[name])
        command.add_argument(
            "--traceback", action="store_true", help="show where a bug in odconv has struck"
        )
        add_options(command)
    return whole


def _described(command: ArgumentParser) -> ArgumentParser:
    command.formatter_class = RawDescriptionHelpFormatter
    command.epilog = EXIT_CODES
    return command


def _inspect(command: ArgumentParser) -> None:
    command.add_argument("file")
    command.add_argument("--arrays", action="store_true", help="list every array")
    command.add_argument("--stats", action="store_true", help="list their values' ranges, too")
    _json(command)
    _isolate(command)
    _model(command)


def _convert(command: ArgumentParser) -> None:
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
        "--overwrite, a run that was killed goes on",
    )
    add("--report", metavar="FILE.html", help="write a page that shows what was done")
    _json(command, quiet=True)
    _isolate(command)
    _model(command)


def _verify(command: ArgumentParser) -> None:
    command.add_argument("left")
    command.add_argument(
        "right", nargs="?", help="left out: the digests that the converter put into the first"
    )
    command.add_argument(
        "--outputs", action="store_true", help="run the models and compare every layer's output"
    )
    outputs = command.add_argument_group("options of --outputs")
    outputs.add_argument(
        "--runtime",
        action="append",
        default=[],
        help="where to run them: torch, paddle, keras-tensorflow, keras-jax or keras-torch",
    )
    outputs.add_argument(
        "--tolerance",
        type=float,
        metavar="X",
        help="the largest difference that is none, over a layer's largest value "
        f"(default: {TOLERANCE:g})",
    )
    outputs.add_argument(
        "--outputs-size",
        type=_image_size,
        metavar="HxW",
        help=f"height and width of the probe (default: {SIZE[0]}x{SIZE[1]})",
    )
    _json(command, quiet=True)
    _isolate(command)
    _model(command)


def _diff(command: ArgumentParser) -> None:
    command.add_argument("left")
    command.add_argument("right")
    command.add_argument(
        "--atol",
        type=float,
        metavar="X",
        help="the largest absolute difference that is none (default: bits must be equal)",
    )
    _json(command, quiet=True)
    _isolate(command)
    _model(command, key=False)


def _evaluate(command: ArgumentParser) -> None:
    add = command.add_argument
    add("checkpoint", help="of any framework")
    add("--data", required=True, help="a folder with val/CLASS/IMAGE, or digits")
    add("--framework", required=True, choices=("torch", "paddle", "keras"), help="that computes")
    add("--batch-size", type=_positive, default=64, metavar="N", help="(default: 64)")
    add("--image-size", type=_positive, default=224, metavar="N", help="of folders (default: 224)")
    add("--workers", type=_count, default=0, metavar="N", help="that load images (default: 0)")
    add("--picture", metavar="FILE.png", help="draw the confusion of the worst classes")
    add("--overwrite", action="store_true", help="replace the picture")
    _json(command, quiet=True)
    _model(command)


def _models(command: ArgumentParser) -> None:
    command.add_argument(
        "--size", type=_positive, default=224, help="of the image, for multiply-adds"
    )
    command.add_argument(
        "--published", action="store_true", help="compare with the sizes that were published"
    )
    _json(command)


def _json(command: ArgumentParser, quiet: bool = False) -> None:
    group = command.add_mutually_exclusive_group()
    group.add_argument("--json", action="store_true", help="print everything as JSON")
    if quiet:
        group.add_argument("--quiet", action="store_true", help="print errors only")


def _isolate(command: ArgumentParser) -> None:
    command.add_argument(
        "--isolate",
        action=BooleanOptionalAction,
        help="parse the files in a child process with limits (default: HDF5 files only)",
    )


def _model(command: ArgumentParser, key: bool = True) -> None:
    command.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="PATTERN",
        help="leave out the arrays that the pattern fits, such as 'criterion.*'; may be repeated",
    )
    command.add_argument(
        "--model",
        help="a name, or a .json file with a spec or a manifest; found out from the arrays if "
        "left out",
    )
    command.add_argument(
        "--stages",
        type=_stages,
        metavar="TABLE",
        help="stage table of a MobileNetV2 that is not the published one, a row for each stage: "
        "'expansion,channels,blocks,stride ...'",
    )
    if key:
        command.add_argument("--key", help="which state dict to take from a file with several")


def _stages(text: str) -> list[list[int]]:
    try:
        return [[int(number) for number in row.split(",")] for row in text.split()]
    except ValueError as error:
        raise ArgumentTypeError(
            f"expected rows like '1,16,1,1 6,24,2,2', received {text!r}"
        ) from error


def _positive(text: str) -> int:
    return _whole_number(text, 1)


def _count(text: str) -> int:
    return _whole_number(text, 0)


def _whole_number(text: str, least: int) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise ArgumentTypeError(f"expected a whole number from {least}, received {text!r}")
    return int(text)


def _image_size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if found is None:
        raise ArgumentTypeError(f"expected a height and a width like 224x224, received {text!r}")
    return int(found[1]), int(found[2])


def size(text: str) -> int:
    """Bytes: "2GB" is two thousand million, "2GiB" twice 2**30, "2" two."""
    found = _SIZE.fullmatch(text.strip())
    if found is None or not float(found[1]):
        raise ArgumentTypeError(f"expected a size like 2GB or 500MiB, received {text!r}")
    unit = (found[2] or "").lower()
    return int(float(found[1]) * (1024 if unit.endswith("i") else 1000) ** _UNITS[unit[:1]])
