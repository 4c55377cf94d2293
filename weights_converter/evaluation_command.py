"""The command `odconv evaluate`."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from weights_converter.evaluation import Evaluation, evaluate


def run(options: Namespace) -> Evaluation:
    """Evaluates as the options of the command line say, and draws the picture if it is wanted.

    Raises:
        ConverterError: see `evaluate`, or the picture cannot be written.
    """
    picture = None if options.picture is None else Path(options.picture)
    if picture is not None:
        from weights_converter.evaluation_picture import check_picture, draw  # need matplotlib

        check_picture(picture, options.overwrite)
    found = evaluate(
        options.checkpoint,
        options.data,
        options.framework,
        options.model,
        stages=options.stages,
        key=options.key,
        ignore=options.ignore,
        batch_size=options.batch_size,
        image_size=options.image_size,
        workers=options.workers,
    )
    if picture is not None:
        draw(found, picture, options.overwrite)
    return found
