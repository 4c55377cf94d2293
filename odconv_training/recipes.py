"""The recipes of the papers, and the rate and the temperature that they give each step.

Those of ODConv's paper, https://openreview.net/forum?id=DmpCfq6Mg39: random resized crops and flips
only, no label smoothing, no mixup; the temperature falls from 30 to 1 over the first ten epochs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import cos, isfinite, pi
from typing import Final

from odconv_spec.schedule import falling
from odconv_training.errors import TrainingError

SCHEDULES = ("step", "cosine", "constant")
_WARMUP_START = 0.001


@dataclass(frozen=True)
class Recipe:
    """Stochastic gradient descent with momentum, and what changes from step to step.

    `schedule` is "step" (the rate is divided by 10 every `step_epochs`, or at the beginning of each
    of the epochs `milestones`, counted from 0), "cosine" (to zero, anew every step) or "constant".
    Over the first `warmup_steps` the rate rises linearly from a thousandth. The temperature falls
    linearly over `temperature_epochs`; with none it is at its end from the start.

    For a network that starts from a checkpoint, `head_lr` is the rate of the classifier where it
    has one of its own, `freeze_stages` the index in `feature_info` up to which nothing is trained,
    and `freeze_norms` keeps the statistics of all norms.

    Raises:
        TrainingError: a value is out of range.

    Example:
        >>> recipe = RECIPES["resnet"]
        >>> [recipe.learning_rate(epoch * 100, steps_per_epoch=100) for epoch in (0, 30, 60)]
        [0.1, 0.01, 0.001]
        >>> recipe.temperature(500, steps_per_epoch=100)
        15.5
    """

    epochs: int
    batch_size: int
    lr: float
    momentum: float
    weight_decay: float
    schedule: str
    step_epochs: int = 30
    temperature_start: float = 30.0
    temperature_end: float = 1.0
    temperature_epochs: float = 10
    head_lr: float | None = None
    freeze_stages: int | None = None
    freeze_norms: bool = False
    milestones: tuple[int, ...] | None = None
    warmup_steps: int | None = None

    def __post_init__(self) -> None:
        if self.schedule not in SCHEDULES:
            raise TrainingError(f"schedule: expected one of {SCHEDULES}, received {self.schedule}")
        for name in ("epochs", "batch_size", "step_epochs"):
            self._check(name, getattr(self, name) >= 1, "at least 1")
        for name in ("lr", "temperature_start"):
            value = getattr(self, name)
            self._check(name, isfinite(value) and value > 0, "a positive number")
        for name in ("momentum", "weight_decay", "temperature_end", "temperature_epochs"):
            value = getattr(self, name)
            self._check(name, isfinite(value) and value >= 0, "no negative number")
        epochs = self.milestones or ()
        self._check("milestones", list(epochs) == sorted(set(epochs)), "epochs in their order")
        head = self.head_lr
        self._check("head_lr", head is None or (isfinite(head) and head > 0), "a positive number")

    def _check(self, name: str, right: bool, expected: str) -> None:
        if not right:
            raise TrainingError(f"{name}: expected {expected}, received {getattr(self, name)}")

    def learning_rate(self, step: int, steps_per_epoch: int) -> float:
        """The rate of a step, counted from 0 over the whole training.

        Returns:
            The factor of the gradient, warm-up included.
        """
        return self._warm(step) * self._scheduled(step, steps_per_epoch)

    def _warm(self, step: int) -> float:
        """What the rate is multiplied by, as mmcv has it."""
        left = 1 - step / self.warmup_steps if self.warmup_steps else 0.0
        return 1 - max(0.0, left) * (1 - _WARMUP_START)

    def _scheduled(self, step: int, steps_per_epoch: int) -> float:
        if self.schedule == "step":
            return self.lr / 10.0 ** self._falls(step // steps_per_epoch)
        if self.schedule == "cosine":
            return self.lr * (1 + cos(pi * step / (self.epochs * steps_per_epoch))) / 2
        return self.lr

    def _falls(self, epoch: int) -> int:
        """How often the rate has fallen before the end of an epoch."""
        if self.milestones is None:
            return epoch // self.step_epochs
        return sum(begin <= epoch for begin in self.milestones)

    def temperature(self, step: int, steps_per_epoch: int) -> float:
        """The temperature of a step, counted from 0 over the whole training.

        Returns:
            What the logits of all attentions are divided by, 1 at least.
        """
        steps = round(self.temperature_epochs * steps_per_epoch)
        if steps == 0:
            return self.temperature_end
        return falling(step, steps, self.temperature_start, self.temperature_end)

    @property
    def head_factor(self) -> float:
        """What the rate of a step is multiplied by for the classifier.

        Returns:
            A factor, 1 where the classifier has no rate of its own.
        """
        return 1.0 if self.head_lr is None else self.head_lr / self.lr

    def to_json(self) -> str:
        """The same text for equal recipes, without what is not used of fine-tuning.

        Returns:
            A JSON object.
        """
        # Checkpoints of earlier versions do not know it, and can be resumed.
        used = {name: v for name, v in asdict(self).items() if v is not None and v is not False}
        return json.dumps(used, sort_keys=True)


RECIPES: Final[Mapping[str, Recipe]] = {
    "resnet": Recipe(100, 256, 0.1, 0.9, 1e-4, "step"),
    "mobilenetv2": Recipe(150, 256, 0.05, 0.9, 4e-5, "cosine"),
    "digits": Recipe(14, 64, 0.05, 0.9, 4e-5, "cosine", temperature_epochs=8),
}
"""The recipes that `--recipe` names."""

DROPOUTS: Final[Mapping[str, float]] = {
    "od_resnet18": 0.1,
    "od_resnet50": 0.2,
    "od_resnet101": 0.2,
    "od_mobilenetv2_100": 0.2,
    "od_mobilenetv2_075": 0.1,
    "od_mobilenetv2_050": 0.0,
}
"""What the paper drops before the classifier of a model."""
