"""The checkpoint of a training: one file of paddle.save, which the converter reads as well."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import paddle

from odconv_paddle.layers import set_temperature
from odconv_paddle.layers.temperature import Tempered
from odconv_paddle.train.step import Step
from odconv_training import BEST, LAST, Options, Progress, TrainingError, replacing


def checkpoint(step: Step, progress: Progress, options: Options, top1: float) -> dict[str, Any]:
    """All that a resumed training needs."""
    return {
        "epoch": progress.epoch,
        "arch": options.spec.name,
        "state_dict": dict(step.model.state_dict()),
        "acc": top1,
        "best_acc": progress.best_top1,
        "optimizer": dict(step.optimizer.velocities),
        "scaler": step.scaler.state_dict(),
        "step": progress.step,
        "temperature": _temperature(step),
        "odconv": progress.to_json(),
    }


def save(folder: Path, content: dict[str, Any], best: bool) -> None:
    """Replaces the last checkpoint in `folder`, and the best one if this is it.

    Raises:
        FileError: the disk is full or not writable; the checkpoints are then as they were.
    """
    # The best comes first: a kill between the two then repeats the steps that lead to it.
    for names in (BEST, LAST) if best else (LAST,):
        with replacing(folder / names["paddle"]) as part:
            paddle.save(content, str(part))


def read(path: Path) -> dict[str, Any]:
    """The content of a checkpoint that `save` wrote; it is a pickle, so of a trusted folder.

    Raises:
        TrainingError: the file is damaged, or not of a training by this package.
    """
    try:
        content = paddle.load(str(path), return_numpy=True)
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
    """Puts a checkpoint into the model and its optimizer.

    Raises:
        TrainingError: it is of a training with other options.
    """
    progress = Progress.from_json(content["odconv"])
    progress.check(options)
    step.model.set_state_dict(content["state_dict"])
    step.optimizer.load(content["optimizer"])
    if content["scaler"]:
        step.scaler.load_state_dict(content["scaler"])
    set_temperature(step.model, content["temperature"])
    return progress


def _temperature(step: Step) -> float:
    """That of the last step; 1 in a network without attentions."""
    layers = (layer for layer in step.model.sublayers() if isinstance(layer, Tempered))
    return next((float(layer.temperature) for layer in layers), 1.0)
