"""The options of a detection training."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from odconv_spec import BackboneSpec, from_dict, to_json
from odconv_spec.detectors import ARITHMETIC
from odconv_training.arguments import (
    add_machine,
    add_network,
    add_recipe,
    add_run,
    as_published,
    check_stage,
    laid_over,
    network,
    parser_with,
    positive,
    read_spec,
)
from odconv_training.detection.coco import Category
from odconv_training.detection.recipes import DETECTORS, KINDS, RECIPES, Detector
from odconv_training.errors import TrainingError
from odconv_training.options import Options

_WORKERS = 2
_LATER = ("arithmetic", "maps", "mask_channels")  # which earlier versions have not written


@dataclass(frozen=True)
class Network:
    """A detector, and what its labels stand for.

    Attributes:
        spec: of the body.
        detector: what stands on it.
        categories: in the order of their labels.
    """

    spec: BackboneSpec
    detector: Detector
    categories: tuple[Category, ...]

    def to_json(self) -> str:
        """The text that `from_json` reads."""
        body = json.loads(to_json(self.spec))
        rows = [[category.id, category.name] for category in self.categories]
        usual, values = asdict(Detector()), asdict(self.detector)
        told = {n: v for n, v in values.items() if n not in _LATER or v != usual[n]}
        return json.dumps({"body": body, "categories": rows, **told})

    @classmethod
    def from_json(cls, text: str) -> Network:
        """The detector whose `to_json` this is.

        Raises:
            TrainingError: it is another text, such as that of a classifier.
        """
        try:
            values = json.loads(text)
            spec = from_dict(values.pop("body"))
            categories = tuple(Category(*row) for row in values.pop("categories"))
            maps = tuple(values.pop("maps", ()))
            return cls(spec, Detector(**values, maps=maps), categories)
        except (KeyError, TypeError, ValueError) as error:
            raise TrainingError(
                "expected a checkpoint of a detector, received one of another network: "
                f"{text[:80]!r}"
            ) from error


@dataclass(frozen=True)
class DetectionOptions(Options):
    """One detection training: `spec` is that of the body, `categories` are those of the data."""

    detector: Detector = field(default_factory=Detector)
    categories: tuple[Category, ...] = ()

    @property
    def network(self) -> Network:
        """The detector that is trained."""
        return Network(self.spec, self.detector, self.categories)

    def network_json(self) -> str:
        return self.network.to_json()


def parse_training(arguments: Sequence[str], prog: str) -> DetectionOptions:
    """The options of a command line; argparse ends the process where they cannot be read.

    Raises:
        TrainingError: the model, one of its options or the recipe is refused.
        OSError: the file of `--spec` cannot be read.

    Example:
        >>> options = parse_training(["--model", "od_resnet50", "--data", "coco",
        ...     "--start", "od_resnet50.pth.tar"], "detect train")
        >>> options.recipe.milestones, options.detector.title
        ((8, 11), 'Faster R-CNN')
    """
    found = training_parser(prog).parse_args(arguments)
    spec = spec_of(found)
    recipe = laid_over(as_published(RECIPES[found.recipe], spec), found)
    check_stage(recipe.freeze_stages, spec)
    if found.start is None and (recipe.freeze_stages is not None or recipe.freeze_norms):
        raise TrainingError(
            f"expected --start CKPT, as --recipe {found.recipe} keeps stages or norms of the body "
            "as they are, received none; --recipe small trains all of it from random weights"
        )
    made: dict[str, Any] = {
        "spec": spec,
        "recipe": recipe,
        "detector": detector_of(found, DETECTORS[found.recipe]),
        "workers": _WORKERS if found.workers is None else found.workers,
        "output": found.output or Path("runs") / f"{found.detector}_{spec.name}",
    }
    names = {f.name for f in fields(DetectionOptions)} & vars(found).keys() - made.keys()
    return DetectionOptions(**made, **{name: getattr(found, name) for name in names})


def spec_of(found: Namespace) -> BackboneSpec:
    """The body, which has no head.

    Raises:
        TrainingError: the command line has none, two, or an unknown one, or options beside a spec.
    """
    if (found.spec is None) == (found.model is None):
        raise TrainingError("expected either --model NAME or --spec FILE.json")
    if found.spec is not None:
        if found.option:
            raise TrainingError("expected --spec alone, received --option beside it")
        return replace(read_spec(found.spec), num_classes=0)
    return network(found.model, **{**dict(found.option), "num_classes": 0})


def detector_of(found: Namespace, default: Detector) -> Detector:
    """The detector of a command line, with the sizes of `default` where it has none."""
    values = {f.name: getattr(found, f.name, None) for f in fields(Detector)}
    given = {name: value for name, value in values.items() if value is not None}
    given["kind"] = found.detector
    if "min_size" in given and "max_size" not in given:
        given["max_size"] = max(given["min_size"], default.max_size)
    return replace(default, **given)


def add_detector(parser: ArgumentParser) -> None:
    """The options that say which detector stands on a body, and how large its images are."""
    add = parser.add_argument_group("detector").add_argument
    add(
        "--detector",
        choices=tuple(KINDS),
        default="faster",
        help="kind of detector (default: faster)",
    )
    add(
        "--channels",
        type=positive,
        metavar="N",
        help="channels of the feature pyramid and of the head of masks",
    )
    add(
        "--rois",
        type=positive,
        metavar="N",
        help="number of boxes of an image that a step trains on",
    )
    add("--min-size", type=positive, metavar="N", help="shorter side of an image, in pixels")
    add(
        "--max-size",
        type=positive,
        metavar="N",
        help="largest length of the longer side, in pixels",
    )
    add(
        "--arithmetic",
        choices=ARITHMETIC,
        help=f"code whose anchors and RoIAlign it has (default: {ARITHMETIC[0]}, as published)",
    )


def training_parser(prog: str) -> ArgumentParser:
    """The parser of `python -m odconv_torch.detect train`."""
    parser = parser_with(
        prog,
        "Trains Faster or Mask R-CNN on data in COCO's format.",
        "--model od_resnet18 --data coco",
        "--model od_resnet50 --data coco --detector mask --start od_resnet50.pth.tar",
        usage="--data FOLDER [options]",
    )
    add = add_network(parser, "body and data")
    add(
        "--data",
        required=True,
        help="folder with annotations/instances_train*.json and train*/, the same of val",
    )
    add("--skip-corrupt", action="store_true", help="leave out images that cannot be decoded")
    add(
        "--start",
        type=Path,
        metavar="CKPT",
        help="checkpoint of a classifier, of any framework, to start from",
    )
    add_detector(parser)
    add = add_recipe(parser)
    add(
        "--recipe",
        choices=tuple(RECIPES),
        default="coco",
        help="recipe (default: coco, the published one)",
    )
    add_run(parser, "runs/DETECTOR_MODEL")
    add_machine(parser, f"{_WORKERS}")
    return parser
