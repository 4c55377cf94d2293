"""The parsers of measurements that import a framework, and what all parsers of this package share.

The site shows them without a framework.
"""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Final

from odconv.exporting.targets import FORMS

_EXPORTED_NETWORKS: Final = ("od_resnet18:4", "od_mobilenetv2_100:1", "od_mobilenetv2_100:4")
_EXPORTED_TARGETS: Final = ("onnx", "openvino", "torch")
_INFERENCE_NETWORKS: Final = tuple(
    f"{name}:{kernels}"
    for name in ("od_mobilenetv2_100", "od_resnet18", "od_resnet50")
    for kernels in (1, 4)
)
_BOUNDS_NETWORKS: Final = ("od_resnet18:4", "od_resnet50:4", "od_mobilenetv2_100:4")
_BATCHES: Final = (1, 8)


def measuring_parser(module: str, description: str, *examples: str) -> ArgumentParser:
    """A parser whose help ends with examples, given without `python -m MODULE`."""
    prog = f"python -m {module}"
    lines = "\n".join(f"  {prog} {example}".rstrip() for example in examples)
    return ArgumentParser(
        prog=prog,
        description=description,
        epilog=f"examples:\n{lines}",
        formatter_class=RawDescriptionHelpFormatter,
    )


def exported_parser() -> ArgumentParser:
    """The parser of `python -m benchmarks.exported`."""
    parser = measuring_parser(
        "benchmarks.exported",
        "Times exported networks in their runtimes, beside the static network that was exported\n"
        "the same way.\n\n"
        "Prints a table: milliseconds of the static network, and what ours takes as a multiple of\n"
        "that, for each form. All files of a row run in one process, in turn; times are medians.\n"
        "The target torch has the same networks eager.",
        "",
        "--networks od_resnet18:4 --targets onnx --batches 1",
    )
    _add_networks(parser, _EXPORTED_NETWORKS)
    parser.add_argument(
        "--targets",
        nargs="+",
        choices=_EXPORTED_TARGETS,
        default=_EXPORTED_TARGETS,
        help="what runs them (default: all)",
    )
    parser.add_argument(
        "--forms",
        nargs="+",
        choices=FORMS,
        default=FORMS,
        help="forms that are timed (default: all)",
    )
    parser.add_argument(
        "--bounds",
        action="store_true",
        help="time two graphs beside them that no form can go below, a file for each batch: one "
        "reads the kernels once, the other is the static network with our attentions",
    )
    parser.add_argument(
        "--folder",
        metavar="FOLDER",
        help="keep what is exported in this folder, and take what is there: a run that is to be "
        "timed makes nothing then",
    )
    _add_runs(parser, rounds=7)
    return parser


def inference_parser() -> ArgumentParser:
    """The parser of `python -m benchmarks.inference`."""
    parser = measuring_parser(
        "benchmarks.inference",
        "Times networks by optimize_for_inference beside themselves and the static ones, in\n"
        "PyTorch.\n\n"
        "Prints a table: milliseconds of the plain static network, and what the others take as a\n"
        "multiple of that. All of a row run in one process, in turn; times are medians.",
        "",
        "--networks od_mobilenetv2_100:1 --batches 1 32",
    )
    _add_networks(parser, _INFERENCE_NETWORKS)
    _add_runs(parser, rounds=9)
    parser.add_argument(
        "--strategy",
        choices=("auto", "native"),
        default="auto",
        help="strategy of our networks, native with the compiled operations (default: auto)",
    )
    return parser


def bounds_parser() -> ArgumentParser:
    """The parser of `python -m benchmarks.bounds`."""
    parser = measuring_parser(
        "benchmarks.bounds",
        "Times what memory alone takes of a network with several kernels.\n\n"
        "Prints a table: milliseconds of the static network and of each pass over the kernels; as\n"
        "multiples of the static network's time, a lower bound, one for separate operations, and\n"
        "what ours takes. All of a row run in one process, in turn; times are medians.",
        "",
        "--networks od_resnet18:4 --targets onnx --batches 1",
        "--training --batches 8",
    )
    _add_networks(parser, _BOUNDS_NETWORKS)
    parser.add_argument(
        "--targets",
        nargs="+",
        choices=_EXPORTED_TARGETS,
        default=("torch",),
        help="what runs both networks (default: torch)",
    )
    parser.add_argument("--training", action="store_true", help="time a training step, in torch")
    _add_runs(parser, rounds=7)
    return parser


def strides_parser() -> ArgumentParser:
    """The parser of `python -m benchmarks.strides`."""
    parser = measuring_parser(
        "benchmarks.strides",
        "Times pointwise convolutions with a stride in Keras beside TensorFlow's own.\n\n"
        "Prints a table: milliseconds of both, forward and with both gradients, and their ratio.",
        "",
        "--rounds 100",
    )
    _add_rounds(parser, 30)
    return parser


def _add_networks(parser: ArgumentParser, default: tuple[str, ...]) -> None:
    parser.add_argument(
        "--networks",
        nargs="+",
        default=default,
        metavar="NAME:KERNELS",
        help=f"networks and their numbers of kernels (default: {' '.join(default)})",
    )


def _add_runs(parser: ArgumentParser, rounds: int) -> None:
    parser.add_argument(
        "--batches",
        nargs="+",
        type=int,
        default=_BATCHES,
        metavar="N",
        help=f"numbers of images in a batch (default: {' '.join(map(str, _BATCHES))})",
    )
    _add_rounds(parser, rounds)


def _add_rounds(parser: ArgumentParser, rounds: int) -> None:
    parser.add_argument(
        "--rounds",
        type=int,
        default=rounds,
        metavar="N",
        help=f"number of runs, of which the median counts (default: {rounds})",
    )
