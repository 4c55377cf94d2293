"""How far a training is, and what a resumed one must have in common with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from odconv_training.errors import TrainingError
from odconv_training.options import Options
from weights_converter.identify.class_names import to_text


@dataclass(frozen=True)
class Progress:
    """How far a training is, and which training it is.

    Attributes:
        step: number of steps that are done.
        epoch: number of epochs that are done.
        best_top1: of the best epoch, in percent; the AP of a detector.
        best_epoch: which one that is, counted from 0.
        seed: of the training.
        recipe: of the training, as JSON.
        spec: of the network, as JSON.

    Example:
        >>> from odconv_training import parse
        >>> progress = Progress.of(parse([], "torch"), step=46, epoch=2, best_top1=97.5)
        >>> Progress.from_json(progress.to_json()) == progress
        True
    """

    step: int
    epoch: int
    best_top1: float
    seed: int
    recipe: str
    spec: str
    best_epoch: int = 0

    @classmethod
    def of(cls, options: Options, step: int, epoch: int, best_top1: float) -> Progress:
        """That of a training with these options.

        Returns:
            The progress after `step` steps and `epoch` whole epochs.
        """
        recipe, network = options.recipe.to_json(), options.network_json()
        return cls(step, epoch, best_top1, options.seed, recipe, network)

    def to_json(self) -> str:
        """The text that `from_json` reads.

        Returns:
            A JSON object.
        """
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Progress:
        """The progress whose `to_json` this is.

        Returns:
            The progress, equal to the one that was written.

        Raises:
            TrainingError: it is another text.
        """
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError) as error:
            raise TrainingError(
                f"expected the progress of a training, received {text[:80]!r}; only a checkpoint "
                "that this command wrote can be resumed, others are for --start"
            ) from error

    def check(self, options: Options) -> None:
        """Compares the training with the one of the options, which may have more epochs.

        Raises:
            TrainingError: it has another seed, recipe or network.
        """
        other = Progress.of(options, self.step, self.epoch, self.best_top1)
        if self.seed != other.seed:
            _refuse("seed", self.seed, other.seed)
        for what in ("recipe", "spec"):
            kept, asked = (json.loads(getattr(progress, what)) for progress in (self, other))
            for name in kept.keys() | asked.keys():
                pair = kept.get(name), asked.get(name)
                longer = name == "epochs" and pair[0] < pair[1]
                if pair[0] != pair[1] and not longer:
                    _refuse(f"{what}'s {name}", *pair)


def content_of(options: Options, progress: Progress, top1: float) -> dict[str, Any]:
    """What a checkpoint says beside its arrays, by the names of the official script.

    Args:
        options: of the training.
        progress: how far it is.
        top1: of the last epoch, in percent.

    Returns:
        The official "epoch", "arch", "acc" and "best_acc"; "step", under "odconv" all that a resume
        checks, and "class_names" as the converter reads it.
    """
    return {
        "epoch": progress.epoch,
        "arch": options.spec.name,
        "acc": top1,
        "best_acc": progress.best_top1,
        "step": progress.step,
        "odconv": progress.to_json(),
        "class_names": to_text(options.class_names),
    }


def check_class_names(content: Mapping[str, Any], options: Options) -> None:
    """Compares the classes of a checkpoint with those of the data.

    Raises:
        TrainingError: they are others, or in another order.
    """
    asked = to_text(options.class_names)
    kept = content.get("class_names", asked)  # earlier versions have kept none
    if kept != asked:
        _refuse("class names", kept, asked)


def _refuse(what: str, kept: Any, asked: Any) -> None:
    raise TrainingError(
        f"expected the {what} of the training to resume, {kept}, received {asked}; resume with the "
        "same options, or give --output another folder"
    )
