"""The command `python -m odconv_torch.detect`: train, evaluate, predict, shapes."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from odconv_torch.detect.evaluation import detections, results
from odconv_torch.detect.opened import Opened, open_detector
from odconv_torch.detect.trainer import train
from odconv_torch.train.joining import joined
from odconv_training import TrainingError, replacing, shards
from odconv_training.arguments import natural, positive
from odconv_training.command import exit_code
from odconv_training.detection.coco import Picture
from odconv_training.detection.options import Network, parse_training
from odconv_training.detection.picture import drawn
from odconv_training.detection.results import Result, results_of
from odconv_training.detection.samples import Annotated, open_annotated
from odconv_training.detection.scores import detection_score
from odconv_training.detection.shapes import write_shapes
from odconv_training.samples import decoded

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
    parser.add_argument("--data", required=True, help="with annotations/instances_val*.json, val*/")
    parser.add_argument("--json", action="store_true", help="prints the score as JSON")
    parser.add_argument("--results", type=Path, metavar="FILE.json", help="gets COCO's results")
    found = parser.parse_args(arguments)
    with joined(found.device) as processes:
        opened = open_detector(
            found.checkpoint, processes.device, min_size=found.min_size, max_size=found.max_size
        )
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
    parser.add_argument("--threshold", type=float, default=0.5, help="of scores (default: 0.5)")
    found = parser.parse_args(arguments)
    with joined(found.device) as processes:
        opened = open_detector(
            found.checkpoint, processes.device, min_size=found.min_size, max_size=found.max_size
        )
        network = opened.network
        samples = _samples_of(found.images, network)
        found.output.mkdir(parents=True, exist_ok=True)
        rows: list[Result] = []
        every = detections(opened.model, samples, np.arange(len(samples)), found.workers)
        for index, one in enumerate(every):
            sure = one.above(found.threshold)
            picture = drawn(samples.open(index), sure, network.categories)
            picture.save(found.output / f"{samples.paths[index].stem}.png")
            name = str(samples.paths[index])
            rows += [
                {**row, "file_name": name}
                for row in results_of(index + 1, sure, network.categories)
            ]
        _write_json(found.output / "predictions.json", rows)
    sys.stdout.write(f"{len(rows)} objects in {len(samples)} images: {found.output}\n")


def _shapes(arguments: Sequence[str]) -> None:
    """Writes images of shapes in COCO's format."""
    parser = ArgumentParser(
        prog=f"{_PROG} shapes",
        description="Writes images of circles, triangles and squares in COCO's format.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--images", type=positive, default=300, metavar="N", help="default: 300")
    parser.add_argument("--size", type=positive, default=128, metavar="N", help="default: 128")
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
    parser.add_argument("checkpoint", type=Path, metavar="CKPT", help="such as model_best.pth.tar")
    parser.add_argument("--device", help="default: a GPU if there is one")
    parser.add_argument("--workers", type=natural, default=0, metavar="N", help="that load images")
    for name in ("--min-size", "--max-size"):
        parser.add_argument(name, type=positive, metavar="N", help="of images, as in `train`")
    parser.add_argument("--traceback", action="store_true", help="show where a bug has struck")
    return parser


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


def _samples_of(images: Sequence[Path], network: Network) -> Annotated:
    """Images without annotations, numbered from 1; each name once, as pictures are named by it.

    Raises:
        TrainingError: two have one name.
        CorruptImageError: one is no image.
        OSError: one is not there.
    """
    stems = [path.stem for path in images]
    if len(set(stems)) < len(stems):
        twice = next(stem for stem in stems if stems.count(stem) > 1)
        raise TrainingError(f"expected images of different names, received {twice} twice")
    pictures = []
    for number, path in enumerate(images, 1):
        path.open("rb").close()  # a file that is not there is no damaged image
        pictures.append(Picture(number, path.name, *decoded(path).size, ()))
    ids = np.arange(1, len(images) + 1)
    return Annotated(ids, tuple(images), None, tuple(pictures), network.categories)


def _write_json(path: Path, rows: object) -> None:
    with replacing(path) as part:
        part.write_text(json.dumps(rows), encoding="utf-8")
