"""`odconv attend`: a page that shows what the attentions of a checkpoint see in images."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from odconv.command import Command
from odconv.options import (
    add_framework,
    add_images,
    add_json,
    add_model,
    count,
    needing_packages,
    positive,
    request_of,
)
from odconv.printing import tell

if TYPE_CHECKING:
    from odconv_training.attending.attended import AttendedImages

_PAGE = "attentions.html"


def _add_options(command: ArgumentParser) -> None:
    add = command.add_argument
    add("checkpoint", metavar="CHECKPOINT", help="a checkpoint of any format")
    add(
        "--images",
        dest="data",  # completed as such
        required=True,
        metavar="FOLDER",
        help="a folder of images, or of a folder of images for each class; or `digits` for those "
        "of scikit-learn",
    )
    add(
        "--output",
        metavar="FILE.html",
        help=f"where to write the page (default: {_PAGE}; with --json, no page)",
    )
    add("--overwrite", action="store_true", help="replace the page")
    add(
        "--layers",
        default="*",
        metavar="PATTERN",
        help="show only these layers, such as 'layer4.*'",
    )
    add(
        "--count",
        type=positive,
        default=100,
        metavar="N",
        help="largest number of images, equally many of each class (default: 100)",
    )
    add(
        "--seed",
        type=count,
        default=0,
        metavar="N",
        help="seed of the random choice of images (default: 0)",
    )
    add_framework(command)
    add_images(command)
    add_json(command, quiet=True)
    add_model(command)


def _run(options: Namespace) -> int:
    with needing_packages("attend", options.framework):
        tell(options, _attended(options))
    return 0


def _attended(options: Namespace) -> AttendedImages:
    """Looks at the attentions, and writes the page if one is wanted."""
    from odconv.attending import attend  # needs a framework and Pillow
    from odconv_training.attending.page import check_page, write_page

    output = options.output or (None if options.json else _PAGE)
    page = None if output is None else Path(output)
    if page is not None:
        check_page(page, options.overwrite)
    found = attend(
        request_of(options, options.checkpoint),
        options.data,
        options.framework,
        layers=options.layers,
        count=options.count,
        seed=options.seed,
        batch_size=options.batch_size,
        image_size=options.image_size,
        workers=options.workers,
    )
    if page is not None:
        write_page(found, page, options.overwrite)
    return found


COMMAND = Command(
    usage="CHECKPOINT --images FOLDER [options]",
    examples=(
        "odconv attend model_best.pth.tar --images photos --output attentions.html",
        "odconv attend model.pdparams --images photos --layers 'layer4.*' --json",
    ),
    add_options=_add_options,
    run=_run,
)
