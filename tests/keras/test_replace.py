"""Dynamic convolutions in the place of a model's static ones."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import fill, numpy, run
from small import small

from odconv_keras import DyConv2D, ODConv2D, create_model, replace_convs
from odconv_keras.layers import DynamicConv
from odconv_spec import ConvSpec, DyConvSpec


def images(*shape):
    return np.random.default_rng(0).random(shape, "float32")


def close(model, reference, x, tolerance=1e-5):
    expected = run(reference, x)
    error = np.abs(run(model, x) - expected).max() / np.abs(expected).max()
    assert error < tolerance, error


@pytest.fixture(scope="module")
def application():
    model = keras.applications.MobileNetV2(
        weights=None, input_shape=(32, 48, 3), alpha=0.35, classes=7
    )
    generator = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            for weight in layer.weights:
                weight.assign(generator.uniform(0.5, 1.5, weight.shape))
    return model


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["od", "dy", "cond"])
def test_an_application_keeps_its_function(application, kind, tmp_path):
    x = images(2, 32, 48, 3)
    before = [numpy(weight) for weight in application.weights]
    model, changes, skipped = replace_convs(application, kind, kernel_num=2)
    close(model, application, x)
    assert len(changes) == 51
    assert changes[0].path == "expanded_conv_depthwise"
    assert skipped == ()
    assert type(model) is type(application)
    for weight, value in zip(application.weights, before, strict=True):
        np.testing.assert_array_equal(numpy(weight), value)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(run(loaded, x), run(model, x))


def functional():
    """A model with a nested one, a shared convolution and what cannot be replaced."""
    inner = keras.Sequential(
        [keras.layers.Conv2D(4, 3, name="deep"), keras.layers.BatchNormalization()], name="inner"
    )
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", name="stem")(inputs)
    shared = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="shared")
    x = inner(shared(shared(x)))
    x = keras.layers.Conv2DTranspose(4, 2, name="up")(x)
    x = ODConv2D(5, 3, name="already")(x)
    x = keras.layers.SeparableConv2D(5, 3, name="separable")(x)
    x = keras.layers.TimeDistributed(keras.layers.Conv1D(2, 3, name="rows"), name="each")(x)
    return fill(keras.Model(inputs, keras.layers.GlobalMaxPooling2D()(x)))


def test_nested_shared_and_wrapped_layers(tmp_path):
    model = functional()
    x = images(2, 12, 13, 3)
    new, changes, skipped = replaced = replace_convs(model, "dy")
    close(new, model, x)
    assert [change.path for change in changes] == ["shared", "inner.deep", "each.layer"]
    assert [path for path, _ in skipped] == ["up", "separable"]
    assert all("expected one of Conv1D" in reason for _, reason in skipped)
    assert changes[0].before == ConvSpec(
        in_channels=4, out_channels=4, kernel_size=3, padding="same", bias=True
    )
    assert isinstance(changes[0].after, DyConvSpec)
    assert type(new.get_layer("shared")) is DyConv2D
    assert type(new.get_layer("inner").get_layer("deep")) is DyConv2D
    assert type(new.get_layer("already")) is ODConv2D
    assert type(model.get_layer("shared")) is keras.layers.Conv2D
    assert str(replaced).splitlines() == [
        "replaced     parameters          now",
        "shared              148          604",
        "inner.deep          148          604",
        "each.layer           32          141",
        "total               328        1,349",
        f"left: up: {skipped[0][1]}",
        f"left: separable: {skipped[1][1]}",
    ]
    new.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(run(loaded, x), run(new, x))


@keras.saving.register_keras_serializable(package="test_replace")
class Block(keras.layers.Layer):
    """Convolutions as an attribute, in a list and in a dict, and one that `build` makes."""

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self._first = keras.layers.Conv2D(width, 3, padding="same")
        self.more = [keras.layers.BatchNormalization(), keras.layers.Conv2D(width, 1)]
        self.named = {"last": keras.layers.DepthwiseConv2D(3, padding="same")}

    def build(self, input_shape):
        self.late = keras.layers.Conv2D(self.width, 1)
        shape = (*input_shape[:-1], self.width)
        self._first.build(input_shape)
        for layer in (*self.more, self.named["last"], self.late):
            layer.build(shape)

    def call(self, inputs):
        x = self._first(inputs)
        for layer in (*self.more, self.named["last"], self.late):
            x = layer(x)
        return x

    def get_config(self):
        return super().get_config() | {"width": self.width}


@keras.saving.register_keras_serializable(package="test_replace")
class Subclassed(keras.Model):
    """Builds itself by being called."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.stem = keras.layers.Conv2D(4, 3)
        self.block = Block(6)
        self.head = keras.layers.Dense(2)

    def call(self, inputs):
        return self.head(self.block(self.stem(inputs)))


def test_a_subclassed_model():
    x = images(2, 8, 9, 3)
    model = Subclassed()
    model(x)
    fill(model)
    new, changes, skipped = replace_convs(model, "od", lambda path, conv: path != "stem")
    assert type(new) is Subclassed
    assert [c.path for c in changes] == ["block._first", "block.more.1", "block.named.last"]
    assert [path for path, _ in skipped] == ["block.late"]
    assert "makes it in build()" in skipped[0][1]
    assert type(new.block._first) is type(new.block.more[1]) is ODConv2D
    assert type(new.block.named["last"]) is ODConv2D
    close(new, model, x)
    dynamic = [layer for layer in new._flatten_layers() if isinstance(layer, DynamicConv)]
    assert len(dynamic) == 3  # nothing of the old layers is left
    assert len(new.trainable_weights) == len(model.trainable_weights) + sum(
        len(layer.trainable_weights) - 2 for layer in dynamic
    )


def test_a_subclassed_layer_in_a_functional_model_trains():
    inputs = keras.Input((8, 9, 3))
    x = keras.layers.Conv2D(4, 3)(Block(5)(inputs))
    model = fill(keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x)))
    new, changes, skipped = replace_convs(model, "dy", reduction=1.0)
    assert len(changes) == 3
    assert len(skipped) == 1
    x = images(2, 8, 9, 3)
    close(new, model, x)
    before = [numpy(weight) for weight in new.trainable_weights]
    new.compile(keras.optimizers.SGD(0.1), "mse")
    new.train_on_batch(x, np.ones((2, 4)))
    still = [
        weight.path
        for weight, value in zip(new.trainable_weights, before, strict=True)
        if np.array_equal(numpy(weight), value)
    ]
    # Zero heads keep a gradient from the layer before them for one step.
    assert all("fc1" in path for path in still)


def test_a_network_of_this_package():
    model = fill(small("mobilenetv2_050"))
    new, changes, skipped = replace_convs(model, "od", kernel_num=2)
    assert changes[0].path == "features.1.conv.0.0"
    assert skipped == ()
    close(new, model, images(2, 33, 40, 3))


def test_models_without_convolutions_or_weights():
    dynamic = create_model("od_mobilenetv2_050", stages=((1, 16, 1, 1),), num_classes=2)
    with pytest.raises(ValueError, match=r"where: .* of 'features\.0\.0'"):
        replace_convs(dynamic, "od")
    with pytest.raises(ValueError, match="model: expected a built one, received 'm'"):
        replace_convs(keras.Sequential([keras.layers.Conv2D(3, 3)], name="m"), "od")
