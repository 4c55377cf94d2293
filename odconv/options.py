"""Options that several commands have, and the types of their values."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction, Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from odconv.runtimes import is_exported, runtime_of
from odconv.runtimes.table import NAMES as RUNTIMES
from weights_converter.errors import UsageError
from weights_converter.identify.request import Request

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]i?)?B?", re.IGNORECASE)
_FRAMEWORKS: Final = ("torch", "paddle", "keras")
_BACKENDS: Final = ("tensorflow", "jax")  # of Keras, beside PyTorch
_OF_TRAIN: Final = ("PIL", "matplotlib", "sklearn")  # what `odconv[train]` brings
_UNITS: Final[Mapping[str, int]] = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def add_json(command: ArgumentParser, quiet: bool = False) -> None:
    """`--json` and, where the exit code alone can be enough, `--quiet`."""
    group = command.add_mutually_exclusive_group()
    group.add_argument("--json", action="store_true", help="print everything as JSON")
    if quiet:
        group.add_argument("--quiet", action="store_true", help="print errors only")


def add_isolate(command: ArgumentParser) -> None:
    """`--isolate` and `--no-isolate`."""
    command.add_argument(
        "--isolate",
        action=BooleanOptionalAction,
        help="parse files in a child process with limits (default: HDF5 files only)",
    )


def add_framework(command: ArgumentParser) -> None:
    """`--framework`, which runs the model."""
    command.add_argument(
        "--framework",
        choices=_FRAMEWORKS,
        help="the framework that runs the model (default: the first that is installed)",
    )


def add_player(command: ArgumentParser) -> None:
    """`--framework`, which runs a checkpoint or an exported file."""
    command.add_argument(
        "--framework",
        choices=tuple(dict.fromkeys((*_FRAMEWORKS, *RUNTIMES))),
        help="the framework that runs a checkpoint (default: the first that is installed), or the "
        "runtime that runs an exported file (default: the first that takes it)",
    )


def extra_for(options: Namespace) -> str | None:
    """The extra with what runs the options' checkpoint or exported file."""
    path = options.checkpoint
    return runtime_of(path).extra if is_exported(path) else options.framework


@contextmanager
def needing_packages(command: str, framework: str | None) -> Iterator[None]:
    """Turns a package that a command does not find into wrong usage, with what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        needed = (error.name or str(error)).partition(".")[0]
        raise UsageError(
            f"{command} needs {needed}, which is not installed", help=_advice(needed, framework)
        ) from error


def _advice(needed: str, framework: str | None) -> str:
    """What to install, or to set, where a package is missing."""
    if needed in _OF_TRAIN:
        return "pip install 'odconv[train]'"
    if framework in (None, "keras") and needed in _BACKENDS:
        return (
            "pip install 'odconv[tensorflow,train]', or set KERAS_BACKEND to jax or torch, "
            "whichever is installed"
        )
    extra = "tensorflow" if framework == "keras" else framework or "torch"  # Keras needs a backend
    return f"pip install 'odconv[{extra},train]'"


@contextmanager
def needing_extra() -> Iterator[None]:
    """Turns a package that an exported format needs into wrong usage; the error says which."""
    try:
        yield
    except ModuleNotFoundError as error:
        fact, _, advice = str(error).partition(": ")
        raise UsageError(fact, help=advice or None) from error


def add_images(command: ArgumentParser, exported: bool = False) -> None:
    """How images are loaded; exported files tell which size they take."""
    add = command.add_argument
    add(
        "--batch-size",
        type=positive,
        default=64,
        metavar="N",
        help="number of images in a batch (default: 64)",
    )
    add(
        "--image-size",
        type=positive,
        default=None if exported else 224,
        metavar="N",
        help="height and width to which images are brought (default: 224"
        f"{', or what an exported file takes' if exported else ''})",
    )
    add(
        "--workers",
        type=count,
        default=0,
        metavar="N",
        help="number of processes that load images (default: 0)",
    )


def add_model(command: ArgumentParser) -> None:
    """What a checkpoint's arrays are taken for, and which of them are taken."""
    command.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="PATTERN",
        help="leave out the arrays that match the pattern, such as 'criterion.*'; may be repeated",
    )
    command.add_argument(
        "--prefix",
        metavar="NAME",
        help="take only the arrays below NAME, such as 'student' of student.fc.bias, and take it "
        "off their names",
    )
    command.add_argument(
        "--model",
        help="a name, or a .json file with a spec or a manifest (default: inferred from the "
        "arrays)",
    )
    command.add_argument(
        "--stages",
        type=stages,
        metavar="TABLE",
        help="stage table of a MobileNetV2 that is not a published one, a row for each stage: "
        "'expansion,channels,blocks,stride ...'",
    )
    command.add_argument(
        "--key",
        help="state dict to take from a file that has several; of two files, from the first",
    )


def request_of(options: Namespace, path: str) -> Request:
    """The file at `path`, with what the options say of it."""
    return Request(
        path,
        options.model,
        options.stages,
        options.key,
        options.ignore,
        options.prefix,
        getattr(options, "isolate", False),
    )


def second_request(options: Namespace, path: str) -> Request:
    """The file that is compared with another: `--key` is for the first."""
    return replace(request_of(options, path), key=None)


def stages(text: str) -> list[list[int]]:
    """Rows of a stage table: "1,16,1,1 6,24,2,2"."""
    try:
        return [[int(number) for number in row.split(",")] for row in text.split()]
    except ValueError as error:
        raise ArgumentTypeError(
            f"expected rows like '1,16,1,1 6,24,2,2', received {text!r}"
        ) from error


def positive(text: str) -> int:
    """A whole number from 1."""
    return _whole_number(text, 1)


def count(text: str) -> int:
    """A whole number from 0."""
    return _whole_number(text, 0)


def _whole_number(text: str, least: int) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise ArgumentTypeError(f"expected a whole number from {least}, received {text!r}")
    return int(text)


def image_size(text: str) -> tuple[int, int]:
    """Height and width: "224x160"."""
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if match is None:
        raise ArgumentTypeError(f"expected a height and a width like 224x224, received {text!r}")
    return int(match[1]), int(match[2])


def square_or_sides(text: str) -> tuple[int, int]:
    """Height and width: "224x160", or "224" for both."""
    return image_size(text if "x" in text else f"{text}x{text}")


def size(text: str) -> int:
    """Bytes: "2GB" is two thousand million, "2GiB" twice 2**30, "2" two."""
    match = _SIZE.fullmatch(text.strip())
    if match is None or not float(match[1]):
        raise ArgumentTypeError(f"expected a size like 2GB or 500MiB, received {text!r}")
    unit = (match[2] or "").lower()
    return int(float(match[1]) * (1024 if unit.endswith("i") else 1000) ** _UNITS[unit[:1]])
