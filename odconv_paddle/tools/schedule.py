"""The temperature as training proceeds."""

from __future__ import annotations

from typing import Any

from paddle.callbacks import Callback

from odconv_paddle.layers import set_temperature
from odconv_paddle.layers.temperature import annealing_of
from odconv_spec.schedule import SOFTEN, check_annealing


class TemperatureScheduler(Callback):
    """Lowers the temperature of every dynamic convolution of a `paddle.Model`, linearly.

    ODConv and DyConv are published with 30 to 1 over the first ten epochs, so with `steps` ten
    times the number of batches of an epoch; KernelWarehouse with 1 to 0 over twenty. The count goes
    on over several calls of `fit`, and evaluation sees the temperature that training has reached.

    Args:
        steps: after how many batches of training `end` is reached. It then stays.
        start: the first temperature; None is as published for the network's convolutions.
        end: the last temperature, likewise.

    Attributes:
        step: the number of batches so far; set it to go on with an interrupted training.

    Raises:
        ValueError: `steps` or a temperature is not positive.

    Example:
        >>> net = nn.Sequential(ODConv2D(3, 4, 3), nn.AdaptiveAvgPool2D(1), nn.Flatten())
        >>> model = paddle.Model(net)
        >>> model.prepare(paddle.optimizer.SGD(parameters=net.parameters()), nn.CrossEntropyLoss())
        >>> data = paddle.io.TensorDataset([paddle.rand([4, 3, 8, 8]), paddle.arange(4)])
        >>> scheduler = TemperatureScheduler(steps=20)
        >>> model.fit(data, batch_size=2, epochs=5, verbose=0, callbacks=scheduler)
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

    @property
    def temperature(self) -> float:
        """The temperature of the next batch.

        Returns:
            A number, 1 at least.
        """
        annealing = SOFTEN if self.model is None else annealing_of(self.model.network)
        return annealing.at(self.step, self.steps, self.start, self.end)

    def on_train_begin(self, logs: Any = None) -> None:
        self._apply()

    def on_train_batch_end(self, step: int, logs: Any = None) -> None:
        self.step += 1
        self._apply()

    def _apply(self) -> None:
        model: Any = self.model  # given by `fit` before any call
        set_temperature(model.network, self.temperature)
