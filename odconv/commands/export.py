"""`odconv export`: a checkpoint becomes one file that a runtime plays without this package."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction, Namespace
from pathlib import Path
from typing import Any

from odconv.command import Command
from odconv.exporting.asking import GRAPH, METADATA, ExportOptions
from odconv.exporting.export import export
from odconv.exporting.targets import FORMS, TARGETS
from odconv.options import (
    add_isolate,
    add_json,
    add_model,
    needing_extra,
    positive,
    request_of,
    square_or_sides,
)
from odconv.printing import tell
from weights_converter.errors import UsageError, legible
from weights_converter.identify.manifest import read_text


def _add_options(command: ArgumentParser) -> None:
    add = command.add_argument
    endings = ", ".join(f"{target.suffixes[0]} ({target.name})" for target in TARGETS)
    add("checkpoint", metavar="CHECKPOINT", help="a checkpoint of any framework and format")
    add("destination", metavar="DESTINATION", help=f"the file to write: {endings}")
    add("--format", choices=[t.name for t in TARGETS], help="the format (default: by the ending)")
    add("--overwrite", action="store_true", help="replace the destination")
    add(
        "--form",
        choices=FORMS,
        help="how dynamic convolutions are written: as a product with patches; as convolutions of "
        "constant kernels only, for integers and NPUs; or as convolutions of a known batch, one "
        "for each image or all in groups of one "
        "(default: the fastest in the format, which the report names)",
    )
    _add_images(command)
    add(
        "--opset", type=positive, metavar="N", help="version of the operators of ONNX (default: 18)"
    )
    add(
        "--features",
        nargs="?",
        const=True,
        type=_indices,
        metavar="N,...",
        help="give maps for a detector: those of strides 4 to 32, or those with these numbers",
    )
    add("--softmax", action="store_true", help="give probabilities instead of logits")
    add("--half", action="store_true", help="store the arrays in half precision")
    add("--int8", action="store_true", help="compute in integers; needs --calibrate")
    add(
        "--calibrate",
        metavar="FOLDER",
        help="folder of images with which the ranges of the integers are measured",
    )
    add(
        "--fuse",
        action=BooleanOptionalAction,
        default=True,
        help="fold batch norms into the convolutions before them (default: yes)",
    )
    add(
        "--labels",
        metavar="FILE",
        help="file with the names of the classes, one in each line, in the order of the outputs",
    )
    add(
        "--tolerance",
        type=float,
        metavar="X",
        help="largest difference from the checkpoint, as a fraction of the largest output "
        "(default: 1e-05, with --half 0.02)",
    )
    add_json(command, quiet=True)
    add_isolate(command)
    add_model(command)


def _add_images(command: ArgumentParser) -> None:
    add = command.add_argument_group("images").add_argument
    add("--batch", type=positive, metavar="N", help="number of images in a batch (default: any)")
    add(
        "--size",
        type=square_or_sides,
        metavar="HxW",
        help="height and width, or one number for both (default: what the checkpoint tells, or "
        "224)",
    )
    add("--dynamic-size", action="store_true", help="take images of any size")
    add(
        "--mean", type=_numbers, metavar="X,...", help="mean of each channel, or one number for all"
    )
    add(
        "--std",
        type=_numbers,
        metavar="X,...",
        help="standard deviation of each channel, or one number for all",
    )
    add(
        "--mean-std",
        choices=(METADATA, GRAPH),
        default=METADATA,
        help="whether the mean and std stand in the metadata, for the caller, or in the graph "
        "(default: metadata)",
    )


def _indices(text: str) -> tuple[int, ...]:
    """Numbers of maps: "1,2,3"."""
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError as error:
        raise ArgumentTypeError(f"expected numbers like 1,2,3, received {text!r}") from error


def _numbers(text: str) -> tuple[float, ...]:
    """One number, or one for each channel: "0.485,0.456,0.406"."""
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError as error:
        raise ArgumentTypeError(
            f"expected numbers like 0.485,0.456,0.406, received {text!r}"
        ) from error


def _run(options: Namespace) -> int:
    asked = _asked(options)
    with needing_extra():
        found = export(
            request_of(options, options.checkpoint),
            options.destination,
            format=options.format,
            overwrite=options.overwrite,
            **asked,
        )
    tell(options, found)
    return 0


def _asked(options: Namespace) -> dict[str, Any]:
    """The options by the names that the library has for them."""
    asked = {name: getattr(options, name) for name in ExportOptions.__dataclass_fields__}
    return {**asked, "labels": None if options.labels is None else _lines(Path(options.labels))}


def _lines(path: Path) -> tuple[str, ...]:
    """The lines of a file, without those at its end that are empty. Raises as `read_text`."""
    names = tuple(line.strip() for line in read_text(path).rstrip().splitlines())
    if not all(names):
        raise UsageError(f"{legible(path.name)}: expected a class on every line, found empty ones")
    return names


COMMAND = Command(
    usage="CHECKPOINT DESTINATION [options]",
    examples=(
        "odconv export model_best.pth.tar model.onnx",
        "odconv export model.pdparams model.xml --size 160 --half",
        "odconv export model_best.pth.tar model.onnx --form portable --batch 1",
    ),
    add_options=_add_options,
    run=_run,
)
