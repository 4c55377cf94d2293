"""The temperature as training proceeds."""

from __future__ import annotations

from typing import Any

import keras

from odconv_keras.layers import set_temperature
from odconv_keras.layers.temperature import annealing_of
from odconv_spec.schedule import SOFTEN, check_annealing


class TemperatureScheduler(keras.callbacks.Callback):
    """Lowers the temperature of every dynamic convolution of a model, linearly.

    ODConv and DyConv are published with 30 to 1 over the first ten epochs, so with `steps` ten
    times the number of batches of an epoch; KernelWarehouse with 1 to 0 over twenty. The count goes
    on over several calls of `fit`, and validation sees the temperature that training has reached. A
    model that is not built when `fit` begins, as a subclassed one may be on TensorFlow, gets its
    first temperature once it is: its first batch is computed at that of a new layer.

    Args:
        steps: after how many batches of training `end` is reached. It then stays.
        start: the first temperature; None is as published for the model's convolutions.
        end: the last temperature, likewise.

    Attributes:
        step: the number of batches so far; set it to go on with an interrupted training.

    Raises:
        ValueError: `steps` or a temperature is not positive.

    Example:
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), ODConv2D(4, 3)])
        >>> model.compile("sgd", "mse")
        >>> images, targets = keras.ops.ones((4, 8, 8, 3)), keras.ops.zeros((4, 6, 6, 4))
        >>> scheduler = TemperatureScheduler(steps=20)
        >>> options = {"batch_size": 2, "epochs": 5, "verbose": 0}
        >>> _ = model.fit(images, targets, callbacks=[scheduler], **options)
        >>> scheduler.temperature
        15.5
    """

    def __init__(self, steps: int, start: float | None = None, end: float | None = None) -> None:
        super().__init__()
        check_annealing(steps, start, end)
        self.steps = steps
        self.start = start
        self.end = end
        self.step = 0
        self._first_batch = 0
        self._waits = False  # for a model that is not built yet

    @property
    def temperature(self) -> float:
        """The temperature of the next batch.

        Returns:
            A number, 1 at least.
        """
        known = getattr(self, "_model", None) is not None
        annealing = annealing_of(self.model) if known else SOFTEN
        return annealing.at(self.step, self.steps, self.start, self.end)

    def on_train_begin(self, logs: Any = None) -> None:
        self._waits = not self.model.built
        if not self._waits:
            set_temperature(self.model, self.temperature)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._first_batch = batch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        before = None if self._waits else self.temperature
        # With `steps_per_execution` one call is for several batches, the last of which is `batch`.
        self.step += batch - self._first_batch + 1
        if self.temperature != before:
            self._apply()
            self._waits = False

    def _apply(self) -> None:
        # On JAX the loop of `fit` holds the values of the variables, and takes those that a
        # callback changed only after this call.
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        set_temperature(self.model, self.temperature)
