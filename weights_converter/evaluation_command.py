"""The command `odconv evaluate`."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from odconv_training import TrainingError
from weights_converter.errors import UsageError
from weights_converter.evaluation import Evaluation, evaluate


def run(options: Namespace) -> Evaluation:
    """Evaluates as the options of the command line say, and draws the picture if it is wanted.

    Raises:
        UsageError: the data are not what they should be.
        ConverterError: the checkpoint is not, or a file cannot be written.
    """
    try:
        return _run(options)
    except TrainingError as error:
        raise UsageError(str(error)) from error


def _run(options: Namespace) -> Evaluation:
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
