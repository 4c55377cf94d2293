"""The parsers of `python -m odconv_torch.detect` beside that of its training, see `options`."""

from __future__ import annotations

from argparse import REMAINDER, ArgumentParser
from pathlib import Path
from typing import Final

from odconv_spec.detectors import ARITHMETIC
from odconv_training.arguments import natural, parser_with, positive

DETECT: Final = "python -m odconv_torch.detect"
COMMANDS: Final = ("train", "evaluate", "predict", "shapes")
_PICTURES: Final = Path("predictions")


def detect_parser() -> ArgumentParser:
    """The parser of `python -m odconv_torch.detect`, which knows the commands' names only."""
    parser = parser_with(
        DETECT,
        "Trains, scores and tries Faster and Mask R-CNN on data in COCO's format.",
        "shapes shapes",
        "train --model od_resnet18 --data coco",
        "evaluate --help",
        usage="COMMAND ...",
    )
    add = parser.add_argument
    add(
        "command",
        choices=COMMANDS,
        metavar="COMMAND",
        help=f"{', '.join(COMMANDS)}; each has a --help",
    )
    add("words", nargs=REMAINDER, metavar="...", help="what the command takes")
    return parser


def evaluate_parser() -> ArgumentParser:
    """The parser of `python -m odconv_torch.detect evaluate`."""
    parser = parser_with(
        f"{DETECT} evaluate",
        "Scores a checkpoint of a detector by COCO's average precisions.",
        "runs/faster_od_resnet18/model_best.pth.tar --data coco",
        "mask_rcnn.pth --data coco --arithmetic torchvision --results results.json",
        usage="CKPT --data FOLDER [options]",
    )
    add = parser.add_argument
    add("checkpoint", type=Path, metavar="CKPT", help="checkpoint, such as model_best.pth.tar")
    add("--data", required=True, help="folder with annotations/instances_val*.json and val*/")
    add("--json", action="store_true", help="print the score as JSON")
    add(
        "--results",
        type=Path,
        metavar="FILE.json",
        help="also write the objects that were found, as COCO's results",
    )
    _add_inference(parser)
    return parser


def predict_parser() -> ArgumentParser:
    """The parser of `python -m odconv_torch.detect predict`."""
    parser = parser_with(
        f"{DETECT} predict",
        "Draws the objects that a checkpoint of a detector finds in images.\n\n"
        "The folder also gets predictions.json, all objects as COCO's results.",
        "runs/faster_od_resnet18/model_best.pth.tar photo.jpg",
        "model_best.pth.tar photo.jpg --threshold 0.8 --output found",
        usage="CKPT IMAGE... [options]",
    )
    add = parser.add_argument
    add("checkpoint", type=Path, metavar="CKPT", help="checkpoint, such as model_best.pth.tar")
    add("images", type=Path, nargs="+", metavar="IMAGE", help="an image file")
    add(
        "--output",
        type=Path,
        default=_PICTURES,
        metavar="FOLDER",
        help=f"where the pictures go (default: {_PICTURES})",
    )
    add(
        "--threshold",
        type=float,
        default=0.5,
        metavar="X",
        help="least score of an object that is drawn (default: 0.5)",
    )
    _add_inference(parser)
    return parser


def shapes_parser() -> ArgumentParser:
    """The parser of `python -m odconv_torch.detect shapes`."""
    parser = parser_with(
        f"{DETECT} shapes",
        "Writes images of circles, triangles and squares in COCO's format.",
        "shapes",
        "shapes --images 1000 --size 256 --seed 1",
        usage="FOLDER [options]",
    )
    add = parser.add_argument
    add(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="folder to write; files of an earlier run are replaced",
    )
    add(
        "--images",
        type=positive,
        default=300,
        metavar="N",
        help="number of images (default: 300)",
    )
    add(
        "--size",
        type=positive,
        default=128,
        metavar="N",
        help="height and width in pixels (default: 128)",
    )
    add("--seed", type=natural, default=0, metavar="N", help="seed of the shapes (default: 0)")
    add("--traceback", action="store_true", help="show where a bug in odconv occurred")
    return parser


def _add_inference(parser: ArgumentParser) -> None:
    """What runs a checkpoint, and on which images."""
    add = parser.add_argument
    add("--device", help="device, such as cpu (default: a GPU if there is one)")
    add(
        "--workers",
        type=natural,
        default=0,
        metavar="N",
        help="number of processes that load images (default: 0)",
    )
    add("--min-size", type=positive, metavar="N", help="shorter side of an image, as in `train`")
    add("--max-size", type=positive, metavar="N", help="longer side of an image, as in `train`")
    add(
        "--arithmetic",
        choices=ARITHMETIC,
        help="code whose anchors and RoIAlign a file of other code was trained with (default: "
        f"{ARITHMETIC[0]})",
    )
    add("--traceback", action="store_true", help="show where a bug in odconv occurred")
