"""Convolutions that are left as they are, and why."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import fill, run
from keras import layers, ops

from odconv_keras import replace_convs
from odconv_keras.layers import DynamicConv
from odconv_keras.tools.obstacles import Obstacles

BINS = 8


def detector():
    """Ends as YOLO's head does: the integral over a distribution by a fixed kernel 0, 1, 2, ..."""
    inputs = keras.Input((21, 18, 3))
    x = layers.Conv2D(6, 3, strides=2, name="stem")(inputs)
    x = layers.BatchNormalization()(layers.DepthwiseConv2D(3, name="neck")(x))
    x = layers.Conv2D(4 * BINS, 1, name="box")(layers.Activation("silu")(x))
    x = layers.Softmax()(layers.Reshape((-1, 4, BINS))(x))
    fixed = layers.Conv2D(1, 1, use_bias=False, trainable=False, name="dfl")
    model = fill(keras.Model(inputs, fixed(x)))
    fixed.kernel.assign(np.arange(BINS, dtype="float32").reshape(1, 1, BINS, 1))
    return model


def three(middle):
    model = keras.Sequential(
        [layers.Conv2D(4, 3, name="a"), middle, layers.Conv2D(5, 1, name="c")], name="net"
    )
    model.build((None, 9, 8, 3))
    return model


def left(model, **options):
    model, changes, skipped = replace_convs(model, "dy", **options)
    return model, [change.path for change in changes], dict(skipped)


def close(model, reference, x):
    expected = run(reference, x)
    np.testing.assert_allclose(run(model, x), expected, rtol=1e-4, atol=1e-5)


def images(*shape):
    return np.random.default_rng(0).random(shape, "float32")


def test_a_detector_keeps_its_fixed_kernel():
    static = detector()
    model, changes, skipped = left(static)
    assert changes == ["neck", "box"]
    assert list(skipped) == ["dfl"]
    assert "frozen=True" in skipped["dfl"]
    assert type(model.get_layer("dfl")) is layers.Conv2D
    assert not model.get_layer("dfl").trainable
    assert model.get_layer("box").trainable
    close(model, static, images(2, 21, 18, 3))


@pytest.mark.parametrize("kind", ["od", "cond"])
def test_frozen_convolutions_are_replaced_when_asked(kind):
    """As in fine-tuning; what was frozen stays so."""
    static = detector()
    static.trainable = False
    assert left(static)[1] == []
    model, changes, skipped = replace_convs(static, kind, frozen=True, kernel_num=2)
    assert [change.path for change in changes] == ["neck", "box", "dfl"]
    assert skipped == ()
    assert not model.trainable_weights
    assert isinstance(model.get_layer("box"), DynamicConv)
    close(model, static, images(2, 21, 18, 3))


def test_a_frozen_choice_is_named():
    static = three(layers.Conv2D(4, 3, name="b"))
    static.get_layer("b").kernel.trainable = False
    _, changes, skipped = left(static, where=lambda path, conv: path == "b")
    assert changes == []
    assert list(skipped) == ["b"]
    model, changes, _ = left(static, frozen=True)
    assert changes == ["b", "c"]
    assert not model.get_layer("b").trainable_weights
    assert model.get_layer("c").trainable_weights


def test_a_frozen_first_convolution_is_the_first():
    static = three(layers.Conv2D(4, 3, name="b"))
    static.get_layer("a").trainable = False
    assert left(static)[1:] == (["b", "c"], {})


def test_a_transposed_convolution_is_not_the_first():
    static = keras.Sequential([layers.Conv2DTranspose(3, 2, name="up"), *three_layers()])
    static.build((None, 9, 8, 3))
    _, changes, skipped = left(static)
    assert changes == ["b"]
    assert list(skipped) == ["up"]


def three_layers():
    return layers.Conv2D(4, 3, name="a"), layers.Conv2D(4, 3, name="b")


class Own(layers.Conv2D):
    def call(self, inputs):
        return super().call(ops.abs(inputs))


def with_lora():
    static = three(layers.Conv2D(4, 3, name="b"))
    static.get_layer("b").enable_lora(2)
    return static


def with_call():
    static = three(layers.Conv2D(4, 3, name="b"))
    static.get_layer("b").call = lambda inputs: inputs
    return static


@pytest.mark.parametrize(
    ("make", "path", "reason"),
    [
        (lambda: three(Own(4, 3, name="b")), "b", "computes in its own way"),
        (with_call, "b", "computes in its own way"),
        (with_lora, "b", "with LoRA"),
        (
            lambda: three(layers.SpectralNormalization(layers.Conv2D(4, 3), name="b")),
            "b.layer",
            "SpectralNormalization",
        ),
        (
            lambda: three(layers.Conv2D(4, 3, kernel_constraint="non_neg", name="b")),
            "b",
            "kernel_constraint",
        ),
        (lambda: three(layers.Conv2DTranspose(4, 3, name="b")), "b", "Conv2DTranspose"),
    ],
)
def test_what_would_be_lost_is_left_and_named(make, path, reason):
    _, changes, skipped = left(make())
    assert changes == ["c"]
    assert list(skipped) == [path]
    assert reason in skipped[path]


class Tied(layers.Conv2D):
    """Takes the kernel of another convolution."""

    def __init__(self, of, **kwargs):
        super().__init__(of.filters, of.kernel_size, use_bias=False, **kwargs)
        self.of = [of].copy  # a function, so that Keras does not find a layer inside

    def build(self, input_shape):
        self._kernel = self.of()[0].kernel
        self.built = True


def test_tied_arrays_are_left():
    first, other = layers.Conv2D(3, 3, name="b"), layers.Conv2D(3, 3, name="e")
    stem = layers.Conv2D(3, 3, name="a")
    static = keras.Sequential([stem, first, Tied(first, name="d"), other])
    static.build((None, 12, 13, 3))
    obstacles = Obstacles(static, frozen=False)
    assert obstacles.of(first).endswith("with one of d")
    assert obstacles.of(other) is None
