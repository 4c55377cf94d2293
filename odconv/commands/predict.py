"""`odconv predict`: the classes of images, by a checkpoint or an exported file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from odconv.command import Command
from odconv.options import (
    add_images,
    add_json,
    add_model,
    add_player,
    extra_for,
    needing_packages,
    positive,
    request_of,
)
from odconv.printing import tell

if TYPE_CHECKING:
    from odconv_training.prediction import Prediction


def _add_options(command: ArgumentParser) -> None:
    add = command.add_argument
    add("checkpoint", metavar="CHECKPOINT", help="a checkpoint of any format, or an exported file")
    add("images", metavar="IMAGE", nargs="+", help="an image file")
    add(
        "--top",
        type=positive,
        default=5,
        metavar="N",
        help="number of classes to show for each image (default: 5)",
    )
    add_player(command)
    add_images(command, exported=True)
    add_json(command, quiet=True)
    add_model(command)


def _run(options: Namespace) -> int:
    with needing_packages("predict", extra_for(options)):
        tell(options, _prediction(options))
    return 0


def _prediction(options: Namespace) -> Prediction:
    from odconv.prediction import predict  # needs a framework and Pillow

    return predict(
        request_of(options, options.checkpoint),
        options.images,
        options.framework,
        top=options.top,
        batch_size=options.batch_size,
        image_size=options.image_size,
        workers=options.workers,
    )


COMMAND = Command(
    usage="CHECKPOINT IMAGE... [options]",
    examples=(
        "odconv predict model_best.pth.tar cat.jpg",
        "odconv predict model.pdparams photos/*.jpg --framework keras --top 3 --json",
        "odconv predict model.onnx cat.jpg",
    ),
    add_options=_add_options,
    run=_run,
)
