"""The command `python -m odconv_torch.detect`: train, evaluate, predict, shapes."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from odconv_torch.detect.evaluation import results
from odconv_torch.detect.opened import Opened, open_detector
from odconv_torch.detect.prediction import unlabelled, write_pictures
from odconv_torch.detect.trainer import train
from odconv_torch.train.joining import joined
from odconv_torch.train.processes import Processes
from odconv_training import TrainingError, replacing, shards
from odconv_training.command import exit_code
from odconv_training.detection.options import parse_training
from odconv_training.detection.parsers import (
    DETECT,
    detect_parser,
    evaluate_parser,
    predict_parser,
    shapes_parser,
)
from odconv_training.detection.samples import Annotated, open_annotated
from odconv_training.detection.scores import detection_score
from odconv_training.detection.shapes import write_shapes


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code; see `odconv_training.command.main`."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if not given or given[0] not in _COMMANDS:
        detect_parser().parse_args(given)
    return exit_code(lambda: _COMMANDS[given[0]](given[1:]), given, resumes=given[0] == "train")


def _train(arguments: Sequence[str]) -> None:
    train(parse_training(arguments, f"{DETECT} train"))


def _evaluate(arguments: Sequence[str]) -> None:
    """Prints the average precisions of the val images, and writes what is found."""
    found = evaluate_parser().parse_args(arguments)
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
    found = predict_parser().parse_args(arguments)
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
    found = shapes_parser().parse_args(arguments)
    write_shapes(found.folder, found.images, found.size, found.seed)


_COMMANDS: Final[Mapping[str, Callable[[Sequence[str]], None]]] = {
    "train": _train,
    "evaluate": _evaluate,
    "predict": _predict,
    "shapes": _shapes,
}


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
