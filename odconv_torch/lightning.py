"""The temperature in Lightning, https://lightning.ai."""

from __future__ import annotations

from math import ceil, isfinite
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from odconv_spec import linear_temperature
from odconv_torch.layers import set_temperature


class TemperatureCallback(Callback):
    """Lowers the temperature of every dynamic convolution in the module, linearly.

    It follows the steps of the optimiser that the trainer counts, so that it has no state of its
    own, and a training that goes on from a checkpoint has the right temperature.

    trainer = lightning.Trainer(callbacks=[TemperatureCallback()])

    Args:
        epochs: after how many `end` is reached; it then stays. ODConv and DyConv are published with
            ten.
        start: the first temperature.
        end: the last temperature.

    Raises:
        ValueError: `epochs` or a temperature is not positive.
    """

    def __init__(self, epochs: float = 10, start: float = 30.0, end: float = 1.0) -> None:
        if not epochs > 0:
            raise ValueError(f"epochs: expected a positive number, received {epochs}")
        linear_temperature(0, 1, start, end)  # which says what is wrong
        self.epochs = epochs
        self.start = start
        self.end = end

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Sets the temperature of the first step.

        Raises:
            ValueError: the loader does not say how many batches an epoch has.
        """
        if not isfinite(trainer.num_training_batches):
            raise ValueError(
                "TemperatureCallback: expected a loader with a length, received one without; give "
                "the trainer limit_train_batches, or use odconv_torch.TemperatureLR with its steps"
            )
        self._set(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Sets the temperature of the next step."""
        self._set(trainer, pl_module)

    def _set(self, trainer: Trainer, module: LightningModule) -> None:
        per_epoch = ceil(trainer.num_training_batches / trainer.accumulate_grad_batches)
        steps = max(1, round(self.epochs * per_epoch))
        value = linear_temperature(trainer.global_step, steps, self.start, self.end)
        set_temperature(module, value)
