"""The checkpoint of a training, in the layout of the official script and resumable by it.

https://github.com/OSVAI/ODConv/blob/master/main.py reads "epoch", "state_dict" (of a network in
torch.nn.DataParallel), "best_acc" and "optimizer", and ignores what is added here.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from odconv_torch.layers import set_temperature
from odconv_torch.train.step import Step
from odconv_training import BEST, LAST, Options, Progress, TrainingError, replacing

_PREFIX = "module."
# The official script opens this log when it resumes, and fails where there is none.
_OFFICIAL_LOG = "log.txt"
_OFFICIAL_COLUMNS = ("Learning Rate", "Train Loss", "Valid Loss", "Train Acc.", "Valid Acc.")


def checkpoint(step: Step, progress: Progress, options: Options, top1: float) -> dict[str, Any]:
    """All that a resumed training needs, of types that `torch.load` reads with `weights_only`."""
    arrays = step.model.state_dict()
    return {
        "epoch": progress.epoch,
        "arch": options.spec.name,
        "state_dict": {_PREFIX + name: array for name, array in arrays.items()},
        "acc": top1,
        "best_acc": progress.best_top1,
        "optimizer": step.optimizer.state_dict(),
        "scaler": step.scaler.state_dict(),
        "step": progress.step,
        "temperature": _temperature(step),
        "odconv": progress.to_json(),
    }


def save(folder: Path, content: Mapping[str, Any], best: bool) -> None:
    """Replaces the last checkpoint in `folder`, and the best one if this is it.

    Raises:
        FileError: the disk is full or not writable; the checkpoints are then as they were.
    """
    # The best comes first: a kill between the two then repeats the steps that lead to it.
    for names in (BEST, LAST) if best else (LAST,):
        _write(folder / names["torch"], content)
    log = folder / _OFFICIAL_LOG
    if not log.exists():
        with replacing(log) as part:
            part.write_text("\t".join(_OFFICIAL_COLUMNS) + "\t\n", encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    """The content of a checkpoint that `save` wrote.

    Raises:
        TrainingError: the file is damaged, or not of a training by this package.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise TrainingError(f"{path}: expected a checkpoint, received: {reason}") from error
    if not isinstance(content, dict) or "odconv" not in content:
        raise TrainingError(
            f"{path}: expected a checkpoint of this training, received one without its progress; "
            "--start takes the weights of any checkpoint"
        )
    return content


def restore(step: Step, content: Mapping[str, Any], options: Options) -> Progress:
    """Puts a checkpoint into the model and its optimiser.

    Raises:
        TrainingError: it is of a training with other options.
    """
    progress = Progress.from_json(content["odconv"])
    progress.check(options)
    arrays = content["state_dict"].items()
    step.model.load_state_dict({name.removeprefix(_PREFIX): array for name, array in arrays})
    step.optimizer.load_state_dict(content["optimizer"])
    step.scaler.load_state_dict(content["scaler"])
    set_temperature(step.model, content["temperature"])
    return progress


def _temperature(step: Step) -> float:
    """That of the last step; 1 in a network without attentions."""
    found = (b for name, b in step.model.named_buffers() if name.endswith("temperature"))
    return next((buffer.item() for buffer in found), 1.0)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    with replacing(path) as part, part.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:
            # torch closes its archive after a failed write, and complains that it is too short.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise
