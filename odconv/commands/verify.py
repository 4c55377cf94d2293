"""`odconv verify`: whether two files hold the same, bit for bit or by what they compute."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from odconv.command import Command
from odconv.exporting.verify import is_exported, verify_exported
from odconv.options import (
    add_isolate,
    add_json,
    add_model,
    image_size,
    needing_extra,
    request_of,
    second_request,
)
from odconv.printing import say, say_json, tell
from parity_tests.outputs.comparison import TOLERANCE
from parity_tests.outputs.verify import SIZE, verify_outputs
from weights_converter.comparison.changes import ROWS
from weights_converter.comparison.verify import verify, verify_digests
from weights_converter.errors import UsageError


def _add_options(command: ArgumentParser) -> None:
    command.add_argument("left", metavar="LEFT", help="a checkpoint of any format")
    command.add_argument(
        "right",
        nargs="?",
        metavar="RIGHT",
        help="another one, or what `odconv export` made of LEFT (default: the digests that "
        "`odconv convert` put into LEFT)",
    )
    command.add_argument(
        "--outputs", action="store_true", help="run the models and compare every layer's output"
    )
    command.add_argument(
        "--all", action="store_true", help=f"show every array or layer, not the first {ROWS}"
    )
    outputs = command.add_argument_group("options of --outputs")
    outputs.add_argument(
        "--runtime",
        action="append",
        default=[],
        help="framework that runs a model: torch, paddle, keras-tensorflow, keras-jax or "
        "keras-torch; once for both, or once for each; with one file, two or more",
    )
    outputs.add_argument(
        "--tolerance",
        type=float,
        metavar="X",
        help="largest difference to ignore, as a fraction of the layer's largest value "
        f"(default: {TOLERANCE:g})",
    )
    outputs.add_argument(
        "--outputs-size",
        type=image_size,
        metavar="HxW",
        help=f"height and width of the random images (default: {SIZE[0]}x{SIZE[1]})",
    )
    add_json(command, quiet=True)
    add_isolate(command)
    add_model(command)


def _run(options: Namespace) -> int:
    if options.right is not None and is_exported(options.right):
        return _run_exported(options)
    if options.outputs:
        return _run_outputs(options)
    if options.runtime or options.tolerance is not None or options.outputs_size is not None:
        raise UsageError(
            "--runtime, --tolerance, --outputs-size: expected --outputs beside them, received none",
            help="add --outputs to run the models; without it, arrays are compared bit for bit",
        )
    if options.right is None:
        found = verify_digests(request_of(options, options.left))
    else:
        found = verify(request_of(options, options.left), second_request(options, options.right))
    if options.all and not (options.json or options.quiet):
        say(found.text(rows=None))
    else:
        tell(options, found)
    return 0 if found.equal else 1


def _run_exported(options: Namespace) -> int:
    if options.runtime or options.outputs_size:
        raise UsageError(
            "an exported file is played in its own runtime, at its own size",
            help="leave out --runtime and --outputs-size",
        )
    with needing_extra():
        found = verify_exported(
            request_of(options, options.left), options.right, tolerance=options.tolerance
        )
    tell(options, found)
    return 0 if found.equal else 1


def _run_outputs(options: Namespace) -> int:
    found = verify_outputs(
        request_of(options, options.left),
        None if options.right is None else second_request(options, options.right),
        runtimes=options.runtime,
        size=options.outputs_size or SIZE,
        tolerance=TOLERANCE if options.tolerance is None else options.tolerance,
    )
    if options.json:
        say_json([comparison.to_dict() for comparison in found])
    elif not options.quiet:
        rows = None if options.all else ROWS
        say("\n".join(comparison.text(rows) for comparison in found))
    return 0 if all(comparison.equal for comparison in found) else 1


COMMAND = Command(
    usage="LEFT [RIGHT] [options]",
    examples=(
        "odconv verify model_best.pth.tar model.pdparams",
        "odconv verify model.pdparams",
        "odconv verify model_best.pth.tar model.onnx",
        "odconv verify model.pdparams model.weights.h5 --outputs --runtime torch",
    ),
    add_options=_add_options,
    run=_run,
)
