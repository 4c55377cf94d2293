"""A training on two logical devices beside one on a single device; its own process.

TensorFlow takes the number of logical devices before it computes anything.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf


def main() -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    both = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, both)
    _seed()
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        many = _network()
    one = _network()
    for twin, weight in zip(many.weights, one.weights, strict=True):
        twin.assign(weight)
    _check_training(many, one)
    _check_temperatures(strategy, many)


def _seed() -> None:
    import keras

    keras.utils.set_random_seed(0)  # the few hidden units of DyConv are all at rest at some starts


def _network():
    import keras

    from odconv_keras import CondConv2D, DyConv2D, ODConv2D

    options = {"head_init": "published", "kernel_num": 2}
    inputs = keras.Input((9, 7, 4))
    # A batch norm would normalise each replica's samples alone.
    x = ODConv2D(4, 3, norm="layer", padding="same", **options)(inputs)
    x = DyConv2D(4, 3, **options)(x)
    x = CondConv2D(4, 1, strides=2, **options)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(3)(x))
    model.compile(keras.optimizers.SGD(0.5, momentum=0.9), "mse")
    return model


def _check_training(many, one) -> None:
    from odconv_keras import TemperatureScheduler

    generator = np.random.default_rng(0)
    x = generator.random((12, 9, 7, 4), "float32")
    y = generator.random((12, 3), "float32")
    before = [w.numpy() for w in one.weights]
    for model in (many, one):
        schedule = TemperatureScheduler(8, 5.0)
        options = {"batch_size": 4, "epochs": 2, "shuffle": False, "verbose": 0}
        model.fit(x, y, callbacks=[schedule], **options)
    for twin, weight, start in zip(many.weights, one.weights, before, strict=True):
        np.testing.assert_allclose(twin.numpy(), weight.numpy(), atol=1e-6)
        assert not np.array_equal(start, weight.numpy()), weight.path
    np.testing.assert_allclose(many.predict(x, verbose=0), one(x).numpy(), atol=1e-6)


def _check_temperatures(strategy, model) -> None:
    from odconv_keras import set_temperature

    set_temperature(model, 7.0)
    assert _temperatures(model) == [7.0] * 4  # two layers, two replicas
    with strategy.scope():
        set_temperature(model, 6.0)
    assert _temperatures(model) == [6.0] * 4


def _temperatures(model):
    variables = [w.value for w in model.weights if w.name == "temperature"]
    return [float(replica) for variable in variables for replica in variable.values]


if __name__ == "__main__":
    main()
