"""What the checkpoints of all frameworks share: names, safe writing, what a resume checks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from odconv_spec import to_json
from odconv_training.errors import TrainingError
from odconv_training.options import Options
from weights_converter import load_into
from weights_converter.formats.files import atomic

LAST: Mapping[str, str] = MappingProxyType(
    {
        "torch": "checkpoint.pth.tar",
        "paddle": "checkpoint.pdparams",
        "keras": "checkpoint.keras",
    }
)
BEST: Mapping[str, str] = MappingProxyType(
    {
        "torch": "model_best.pth.tar",
        "paddle": "model_best.pdparams",
        "keras": "model_best.keras",
    }
)


def replacing(path: Path) -> AbstractContextManager[Path]:
    """Yields an empty file that takes the place of `path` when the block ends well.

    After any failure, a full disk or a kill included, the last good checkpoint is still there.
    """
    return atomic.replacing(path, overwrite=True)


@dataclass(frozen=True)
class Progress:
    """How far a training is, and of which it is: `step` and `epoch` are done, from 0."""

    step: int
    epoch: int
    best_top1: float
    seed: int
    recipe: str
    spec: str

    @classmethod
    def of(cls, options: Options, step: int, epoch: int, best_top1: float) -> Progress:
        recipe, spec = options.recipe.to_json(), to_json(options.spec)
        return cls(step, epoch, best_top1, options.seed, recipe, spec)

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Progress:
        """Raises TrainingError for a text that `to_json` did not write."""
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError) as error:
            raise TrainingError(
                f"expected the progress of a training, received {text[:80]!r}; only a checkpoint "
                "that this command wrote can be resumed, others are for --start"
            ) from error

    def check(self, options: Options) -> None:
        """Raises TrainingError where the options are those of another training."""
        other = Progress.of(options, self.step, self.epoch, self.best_top1)
        if self.seed != other.seed:
            _refuse("seed", self.seed, other.seed)
        for what in ("recipe", "spec"):
            kept, asked = (json.loads(getattr(progress, what)) for progress in (self, other))
            for name in kept.keys() | asked.keys():
                if kept.get(name) != asked.get(name):
                    _refuse(f"{what}'s {name}", kept.get(name), asked.get(name))


def _refuse(what: str, kept: Any, asked: Any) -> None:
    raise TrainingError(
        f"expected the {what} of the training to resume, {kept}, received {asked}; resume with the "
        "same options, or give --output another folder"
    )


def start(model: Any, options: Options) -> None:
    """Puts the arrays of `--start`, a checkpoint of any framework and precision, into the model.

    Raises:
        ConverterError: the file cannot be read, or is of another model.
    """
    if options.start is not None:
        load_into(model, options.start, cast=True)
