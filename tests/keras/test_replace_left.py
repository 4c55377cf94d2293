"""Convolutions that are left as they are, and why."""

from __future__ import annotations

import keras
import pytest
from keras import layers, ops

from odconv_keras import replace_convs
from odconv_keras.tools.obstacles import Obstacles


def three(middle):
    model = keras.Sequential(
        [layers.Conv2D(4, 3, name="a"), middle, layers.Conv2D(5, 1, name="c")], name="net"
    )
    model.build((None, 9, 8, 3))
    return model


def left(model, **options):
    model, changes, skipped = replace_convs(model, "dy", **options)
    return model, [change.path for change in changes], dict(skipped)


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
