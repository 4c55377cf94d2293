"""The checkpoint of a training: a .keras file with the optimizer's state and one member more.

`keras.saving.load_model` reads it, and so does weights_converter.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import keras

from odconv_training import BEST, LAST, Options, Progress, TrainingError, replacing

_MEMBER = "odconv.json"


def save(folder: Path, model: keras.Model, progress: Progress, best: bool) -> None:
    """Replaces the last checkpoint in `folder`, and the best one if this is it.

    Raises:
        FileError: the disk is full or not writable; the checkpoints are then as they were.
    """
    # The best comes first: a kill between the two then repeats the steps that lead to it.
    for names in (BEST, LAST) if best else (LAST,):
        _write(folder / names["keras"], model, progress)


def restore(path: Path, model: keras.Model, options: Options) -> Progress:
    """Puts a checkpoint into the model and its optimizer, which are compiled and built.

    Raises:
        TrainingError: the file is damaged, or not of a training with these options.
    """
    progress = Progress.from_json(_progress(path))
    progress.check(options)
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from error
    return progress


def _progress(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(_MEMBER).decode()
    except KeyError as error:
        raise TrainingError(
            f"{path}: expected a checkpoint of this training, received one without its progress; "
            "--start takes the weights of any checkpoint"
        ) from error
    except (zipfile.BadZipFile, EOFError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> TrainingError:
    reason = str(error).strip().partition("\n")[0]
    return TrainingError(f"{path}: expected a checkpoint, received: {reason}")


def _write(path: Path, model: keras.Model, progress: Progress) -> None:
    with replacing(path) as part:
        # Keras writes to names with this ending only. One that a kill leaves is written over.
        named = path.with_name(f".{path.stem}.part.keras")
        try:
            model.save(named)
            with zipfile.ZipFile(named, "a") as archive:
                archive.writestr(_MEMBER, progress.to_json())
            named.replace(part)
        finally:
            named.unlink(missing_ok=True)
