"""`odconv evaluate`: the score of a checkpoint or an exported file on images."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from odconv.command import Command
from odconv.options import (
    add_images,
    add_json,
    add_model,
    add_player,
    extra_for,
    needing_packages,
    request_of,
)
from odconv.printing import tell

if TYPE_CHECKING:
    from odconv_training.evaluation import Evaluation


def _add_options(command: ArgumentParser) -> None:
    add = command.add_argument
    add("checkpoint", metavar="CHECKPOINT", help="a checkpoint of any format, or an exported file")
    add(
        "--data",
        required=True,
        metavar="FOLDER",
        help="a folder with images in val/CLASS/IMAGE, or `digits` for those of scikit-learn",
    )
    add_player(command)
    add_images(command, exported=True)
    add("--picture", metavar="FILE.png", help="draw the confusion matrix of the worst classes")
    add("--overwrite", action="store_true", help="replace the picture")
    add_json(command, quiet=True)
    add_model(command)


def _run(options: Namespace) -> int:
    with needing_packages("evaluate", extra_for(options)):
        tell(options, _evaluation(options))
    return 0


def _evaluation(options: Namespace) -> Evaluation:
    """Evaluates, and draws the picture if one is wanted."""
    from odconv.evaluation import evaluate  # needs a framework and Pillow

    picture = None if options.picture is None else Path(options.picture)
    if picture is not None:
        from odconv_training.confusion_picture import check_picture, draw

        check_picture(picture, options.overwrite)
    found = evaluate(
        request_of(options, options.checkpoint),
        options.data,
        options.framework,
        batch_size=options.batch_size,
        image_size=options.image_size,
        workers=options.workers,
    )
    if picture is not None:
        draw(found, picture, options.overwrite)
    return found


COMMAND = Command(
    usage="CHECKPOINT --data FOLDER [options]",
    examples=(
        "odconv evaluate model_best.pth.tar --data photos --framework torch",
        "odconv evaluate model.pdparams --data photos --framework keras --picture confusion.png",
        "odconv evaluate model.onnx --data photos --framework onnxruntime",
    ),
    add_options=_add_options,
    run=_run,
)
