"""The temperature as training proceeds."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import fill, numpy

from odconv_keras import DyConv2D, ODConv2D, TemperatureScheduler
from tests.quick import quick


def network():
    inputs = keras.Input((6, 5, 3))
    x = ODConv2D(4, 3, norm="layer", name="od")(inputs)
    x = DyConv2D(4, 3, padding="same", name="dy")(x)
    return fill(keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x)))


def temperatures(model):
    return [float(numpy(model.get_layer(n).attention.temperature)) for n in ("od", "dy")]


def data(batches):
    x = np.random.default_rng(0).random((2 * batches, 6, 5, 3), "float32")
    return x, np.zeros((2 * batches, 4), "float32")


def test_the_count_goes_on_over_several_calls_of_fit():
    model = network()
    model.compile("sgd", "mse")
    schedule = TemperatureScheduler(steps=10, start=21.0, end=1.0)
    x, y = data(3)
    seen = []
    for _ in range(4):
        model.fit(x, y, batch_size=2, verbose=0, callbacks=[schedule])
        seen.append(temperatures(model))
    assert seen == [[15.0] * 2, [9.0] * 2, [3.0] * 2, [1.0] * 2]
    assert (schedule.step, schedule.temperature) == (12, 1.0)


def test_each_compiled_step_sees_its_temperature():
    """With a learning rate of zero only the temperature can change the loss of a batch."""
    model = network()
    model.compile(keras.optimizers.SGD(0.0), "mse")
    x, y = data(1)
    expected = []
    for temperature in (9.0, 5.0, 1.0):
        for name in ("od", "dy"):
            model.get_layer(name).set_temperature(temperature)
        expected.append(model.test_on_batch(x, y))
    losses = []
    record = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: losses.append(logs["loss"])
    )
    schedule = TemperatureScheduler(steps=2, start=9.0, end=1.0)
    for _ in range(3):  # the loss in `logs` is a mean since the epoch began
        model.fit(x, y, verbose=0, callbacks=[record, schedule])
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    losses.clear()
    schedule.step = 0
    repeated = np.concatenate([x] * 3), np.concatenate([y] * 3)
    model.fit(*repeated, batch_size=2, shuffle=False, verbose=0, callbacks=[record, schedule])
    means = np.cumsum(expected) / np.arange(1, 4)
    np.testing.assert_allclose(losses, means, rtol=1e-5)
    assert len(set(np.round(expected, 7))) == 3


def test_training_goes_on_as_without_the_callback():
    """A callback that takes the values of variables too early would lose steps on JAX."""
    x, y = data(3)
    found = []
    for callbacks in ([], [TemperatureScheduler(steps=100, start=1.0 + 1e-6, end=1.0)]):
        model = network()
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
        model.fit(x, y, batch_size=2, shuffle=False, epochs=2, verbose=0, callbacks=callbacks)
        found.append([numpy(w) for w in model.trainable_weights])
    for ours, plain in zip(*found, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=1e-6)


def test_several_steps_in_one_execution():
    model = network()
    # Keras on PyTorch accepts one only.
    steps = 1 if keras.backend.backend() == "torch" else 2
    model.compile("sgd", "mse", steps_per_execution=steps)
    schedule = TemperatureScheduler(steps=8, start=9.0)
    model.fit(*data(6), batch_size=2, verbose=0, callbacks=[schedule])
    assert (schedule.step, temperatures(model)) == (6, [3.0] * 2)


def test_validation_sees_what_training_has_reached():
    model = network()
    model.compile(keras.optimizers.SGD(0.0), "mse")
    schedule = TemperatureScheduler(steps=3, start=30.0, end=2.0)
    x, y = data(3)
    history = model.fit(
        x, y, batch_size=2, verbose=0, callbacks=[schedule], validation_data=(x, y)
    ).history
    assert temperatures(model) == [2.0] * 2
    assert history["val_loss"][0] == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-5)


class Subclassed(keras.Model):
    """Builds its layers when it is called first."""

    def __init__(self):
        super().__init__()
        self.od = ODConv2D(4, 3, norm="layer", name="od")
        self.pool = keras.layers.GlobalAveragePooling2D()

    def call(self, inputs):
        return self.pool(self.od(inputs))


@pytest.mark.parametrize("batches", quick([3], [1, 3]))
@pytest.mark.parametrize("start", [11.0])
def test_a_model_that_is_not_built_yet(batches, start):
    model = Subclassed()
    model.compile("sgd", "mse")
    schedule = TemperatureScheduler(steps=10, start=start)
    x, y = data(batches)
    model.fit(x, y, batch_size=2, verbose=0, callbacks=[schedule])
    assert schedule.step == batches
    expected = start - batches * (start - 1) / 10
    assert float(numpy(model.od.attention.temperature)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "steps: expected a whole number >= 1, received 0"),
        ((5, 0.0), "start: expected a number"),
        ((5, 30.0, -1.0), "end: expected a number"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        TemperatureScheduler(*arguments)
