"""Checkpoint files in any framework: their names, safe writing, and what a damaged one raises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final
from zipfile import BadZipFile

from odconv_training.classes import listed
from odconv_training.errors import TrainingError
from odconv_training.options import Options
from odconv_training.trainer import Trainer
from weights_converter import Loaded, MismatchError
from weights_converter.arrays.tensor import Checkpoint
from weights_converter.formats.files import atomic
from weights_converter.formats.files.open_files import kept_open
from weights_converter.identify.class_names import class_names_of
from weights_converter.identify.open_model import open_checkpoint
from weights_converter.live.loading import load_checkpoint

LAST: Final[Mapping[str, str]] = {
    "torch": "checkpoint.pth.tar",
    "paddle": "checkpoint.pdparams",
    "keras": "checkpoint.keras",
}
"""The file of the last epoch, by framework."""
BEST: Final[Mapping[str, str]] = {
    "torch": "model_best.pth.tar",
    "paddle": "model_best.pdparams",
    "keras": "model_best.keras",
}
"""The file of the epoch with the best score, by framework."""

# What the frameworks raise for a file that they cannot understand.
DAMAGE = (RuntimeError, EOFError, KeyError, ValueError, UnpicklingError, BadZipFile)


def save(trainer: Trainer, folder: Path, content: Mapping[str, Any], best: bool) -> None:
    """Replaces the last checkpoint in `folder`, and the best one if this is it.

    Raises:
        FileError: the disk is full or not writable; the checkpoints are then as they were.
    """
    # The best comes first: a kill between the two then repeats the steps that lead to it.
    for names in (BEST, LAST) if best else (LAST,):
        with replacing(folder / names[trainer.framework]) as part:
            trainer.write(part, content)


def read(trainer: Trainer, path: Path) -> Mapping[str, Any] | None:
    """The content of a checkpoint that `save` wrote, or None where there is none.

    The first process reads it for all, as other machines may not have the file.

    Raises:
        TrainingError: the file is damaged, or not of a training by this package.
    """
    reads = trainer.processes.writes and path.exists()
    return trainer.processes.from_first(_read(trainer, path) if reads else None)


@contextmanager
def refusing_damage(path: Path, errors: tuple[type[Exception], ...] = DAMAGE) -> Iterator[None]:
    """Turns what a framework raises for a damaged file into a TrainingError that names it."""
    try:
        yield
    except errors as error:
        reason = str(error).strip().partition("\n")[0]
        raise TrainingError(f"{path}: expected a checkpoint, received: {reason}") from error


def replacing(path: Path) -> AbstractContextManager[Path]:
    """Yields an empty file that takes the place of `path` when the block ends well.

    After any failure, a full disk or a kill included, the last good checkpoint is still there.

    Returns:
        A context manager, which gives the path of the file to write.

    Raises:
        FileError: the disk is full or not writable.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     with replacing(Path(folder) / LAST["torch"]) as part:
        ...         _ = part.write_bytes(b"arrays")
        ...     print(*(path.name for path in Path(folder).iterdir()))
        checkpoint.pth.tar
    """
    return atomic.replacing(path, overwrite=True)


def start(model: Any, options: Options) -> Loaded | None:
    """Puts the arrays of `--start`, a checkpoint of any framework and precision, into the model.

    The head of a network that knows other classes is left as it is, unless it is to be scored.

    Args:
        model: a network of any framework.
        options: of the command, with the classes of the data.

    Returns:
        What was done, None where nothing is to be loaded.

    Raises:
        ConverterError: the file cannot be read, or is of another model.
        TrainingError: a network with other classes is to be scored.

    Example:
        >>> from pathlib import Path
        >>> from odconv_spec import from_json
        >>> from odconv_torch.models import build_model
        >>> from odconv_training import parse
        >>> model = build_model(from_json(Path("odconv_demo/digits.json").read_text()))
        >>> options = parse(["--start", "odconv_demo/digits.pth.tar"], "torch")
        >>> start(model, options).temperature
    """
    if options.start is None:
        return None
    with kept_open():
        checkpoint = open_checkpoint(options.start)
        names = class_names_of(checkpoint)
        others = bool(names) and names != options.class_names
        if not options.evaluate:
            return _started(model, checkpoint, others)
        if others:
            raise TrainingError(
                f"--evaluate: expected a checkpoint of the classes {listed(options.class_names)}, "
                f"received {options.start} of {listed(names)}; `odconv evaluate` scores some of "
                "the classes of a checkpoint"
            )
        return load_checkpoint(model, checkpoint, cast=True)


def _started(model: Any, checkpoint: Checkpoint, others: bool) -> Loaded:
    """Loads all, or all but the head where it is of other classes or of more or fewer."""
    if not others:
        try:
            return load_checkpoint(model, checkpoint, cast=True)
        except MismatchError:
            pass  # which is nothing but the head, or an error again
    return load_checkpoint(model, checkpoint, head="skip", cast=True)


def _read(trainer: Trainer, path: Path) -> Mapping[str, Any]:
    with refusing_damage(path):
        content = trainer.read(path)
    if isinstance(content, dict) and "odconv" in content:
        return content
    raise TrainingError(
        f"{path}: expected a checkpoint of this training, received one without its progress; "
        "--start takes the weights of any checkpoint"
    )
