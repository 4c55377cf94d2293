"""The temperature in `paddle.Model.fit`."""

from __future__ import annotations

import paddle
import pytest
from paddle import nn
from paddle.io import TensorDataset

from odconv_paddle import CondConv2D, DyConv2D, ODConv2D, TemperatureScheduler


class Recorder(paddle.callbacks.Callback):
    """The temperature that the network has in each batch of training and evaluation."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.trained, self.evaluated = [], []

    def on_train_batch_begin(self, step, logs=None):
        self.trained.append(self.layer.attention.temperature.item())

    def on_eval_batch_begin(self, step, logs=None):
        self.evaluated.append(self.layer.attention.temperature.item())


@pytest.fixture
def model():
    net = nn.Sequential(
        DyConv2D(1, 4, 3), CondConv2D(4, 4, 1), ODConv2D(4, 3, 3), nn.AdaptiveAvgPool2D(1)
    )
    model = paddle.Model(nn.Sequential(net, nn.Flatten()))
    optimiser = paddle.optimizer.SGD(0.01, parameters=model.parameters())
    model.prepare(optimiser, nn.CrossEntropyLoss())
    return model


DATA = TensorDataset([paddle.randn([6, 1, 7, 8]), paddle.arange(6) % 3])


def test_falls_with_each_batch_and_over_several_fits(model):
    layers = model.network[0][0], model.network[0][2]
    schedule = TemperatureScheduler(steps=4, start=9.0)
    recorders = [Recorder(layer) for layer in layers]
    for _ in range(2):
        callbacks = [schedule, *recorders]
        model.fit(DATA, DATA, batch_size=2, epochs=1, verbose=0, callbacks=callbacks)
    for recorder in recorders:
        assert recorder.trained == [9.0, 7.0, 5.0, 3.0, 1.0, 1.0]
        assert recorder.evaluated == [3.0] * 3 + [1.0] * 3
    assert schedule.step == 6
    assert schedule.temperature == 1.0


def test_goes_on_with_an_interrupted_training(model):
    schedule = TemperatureScheduler(steps=10, start=30.0, end=20.0)
    schedule.step = 4
    recorder = Recorder(model.network[0][2])
    model.fit(DATA, batch_size=3, epochs=1, verbose=0, callbacks=[schedule, recorder])
    assert recorder.trained == [26.0, 25.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "steps: expected a whole number >= 1"),
        ((10, 0.0), "start: expected a number"),
        ((10, 30.0, -1.0), "end: expected a number"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        TemperatureScheduler(*arguments)
