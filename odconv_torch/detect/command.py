"""The command `python -m odconv_torch.detect`: train, evaluate, predict, shapes."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from odconv_spec.detectors import ARITHMETIC
from odconv_torch.detect.evaluation import results
from odconv_torch.detect.opened import Opened, open_detector
from odconv_torch.detect.prediction import unlabelled, write_pictures
from odconv_torch.detect.trainer import train
from odconv_torch.train.joining import joined
from odconv_torch.train.processes import Processes
from odconv_training import TrainingError, replacing, shards
from odconv_training.arguments import natural, positive
from odconv_training.command import exit_code
from odconv_training.detection.options import parse_training
from odconv_training.detection.samples import Annotated, open_annotated
from odconv_training.detection.scores import detection_score
from odconv_training.detection.shapes import write_shapes

_PROG = "python -m odconv_torch.detect"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code; see `odconv_training.command.main`."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if not given or given[0] not in _COMMANDS:
        parser = ArgumentParser(prog=_PROG, description="Detectors on data in COCO's format.")
        parser.add_argument("command", choices=tuple(_COMMANDS), help="each has a --help")
        parser.parse_args(given[:1])
    return exit_code(lambda: _COMMANDS[given[0]](given[1:]), given)


def _train(arguments: Sequence[str]) -> None:
    train(parse_training(arguments, f"{_PROG} train"))


def _evaluate(arguments: Sequence[str]) -> None:
    """Prints the average precisions of the val images, and writes what is found."""
    parser = _parser("evaluate", "Scores a checkpoint of a detector by COCO's average precisions.")
    parser.add_argument(
        "--data", required=True, help="folder with annotations/instances_val*.json, val*/"
    )
    parser.add_argument("--json", action="store_true", help="print the score as JSON")
    parser.add_argument(
        "--results", type=Path, metavar="FILE.json", help="also write COCO's results"
    )
    found = parser.parse_args(arguments)
    with joined(found.device) as processes:
        opened = _opened(found, processes)
        masks = opened.network.detector.masks
        samples = _validation(found.data, opened)
        own = shards(len(samples), processes.rank, processes.world)
        parts = processes.gathered(results(opened.model, samples, own, found.workers))
        if processes.writes:
            rows = [row for part in parts for row in part]
            score = detection_score(samples, rows, masks)
            text = json.dumps(score.to_dict()) if found.json else f"{score}, {len(samples)} images"
            sys.stdout.write(f"{text}\n")
            if found.results is not None:
                _write_json(found.results, rows)


def _predict(arguments: Sequence[str]) -> None:
    """Writes a picture of each image, and all that is found as COCO's results."""
    parser = _parser("predict", "Draws what a checkpoint of a detector finds in images.")
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    parser.add_argument("--output", type=Path, default=Path("predictions"), metavar="FOLDER")
    parser.add_argument(
        "--threshold",
        type=float,
        default=0.5,
        help="least score of an object that is drawn (default: 0.5)",
    )
    found = parser.parse_args(arguments)
    with joined(found.device) as processes:
        opened = _opened(found, processes)
        samples = unlabelled(found.images, opened.network.categories)
        found.output.mkdir(parents=True, exist_ok=True)
        own = shards(len(samples), processes.rank, processes.world)
        part = write_pictures(
            opened.model, samples, own, found.output, found.threshold, found.workers
        )
        parts = processes.gathered(part)
        if processes.writes:
            rows = [row for part in parts for row in part]
            _write_json(found.output / "predictions.json", rows)
            counts = f"{len(rows)} objects in {len(samples)} images"
            sys.stdout.write(f"{counts}: {found.output}\n")


def _shapes(arguments: Sequence[str]) -> None:
    """Writes images of shapes in COCO's format."""
    parser = ArgumentParser(
        prog=f"{_PROG} shapes",
        description="Writes images of circles, triangles and squares in COCO's format.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument(
        "--images", type=positive, default=300, metavar="N", help="how many (default: 300)"
    )
    parser.add_argument(
        "--size", type=positive, default=128, metavar="N", help="side (default: 128)"
    )
    parser.add_argument("--seed", type=natural, default=0)
    found = parser.parse_args(arguments)
    write_shapes(found.folder, found.images, found.size, found.seed)


_COMMANDS: Final[Mapping[str, Callable[[Sequence[str]], None]]] = {
    "train": _train,
    "evaluate": _evaluate,
    "predict": _predict,
    "shapes": _shapes,
}


def _parser(command: str, description: str) -> ArgumentParser:
    parser = ArgumentParser(prog=f"{_PROG} {command}", description=description)
    parser.add_argument(
        "checkpoint", type=Path, metavar="CKPT", help="checkpoint, such as model_best.pth.tar"
    )
    parser.add_argument("--device", help="device, such as cpu (default: a GPU if there is one)")
    parser.add_argument(
        "--workers",
        type=natural,
        default=0,
        metavar="N",
        help="processes that load images (default: 0)",
    )
    for name in ("--min-size", "--max-size"):
        parser.add_argument(name, type=positive, metavar="N", help="size of images, as in `train`")
    parser.add_argument(
        "--arithmetic",
        choices=ARITHMETIC,
        help="whose anchors and RoIAlign a file of other code was trained with (default: "
        f"{ARITHMETIC[0]})",
    )
    parser.add_argument(
        "--traceback", action="store_true", help="show where a bug in odconv occurred"
    )
    return parser


def _opened(found: Namespace, processes: Processes) -> Opened:
    """The detector of a command line."""
    return open_detector(
        found.checkpoint,
        processes.device,
        found.arithmetic,
        min_size=found.min_size,
        max_size=found.max_size,
    )


def _validation(data: str, opened: Opened) -> Annotated:
    """The val images; a file that does not name its categories has those of the data, all of them.

    Raises:
        TrainingError: the categories are others, or more or fewer than the detector's.
    """
    network = opened.network
    known = network.categories if opened.named else None
    samples = open_annotated(data, "val", network.detector.masks, known)
    if len(samples.categories) != len(network.categories):
        raise TrainingError(
            f"expected data with {len(network.categories)} categories, as the detector has, "
            f"received {len(samples.categories)} in {data}"
        )
    return samples


def _write_json(path: Path, rows: object) -> None:
    with replacing(path) as part:
        part.write_text(json.dumps(rows), encoding="utf-8")
