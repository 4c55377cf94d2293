"""SE, CBAM and ECA: what all frameworks must do, and what Keras has besides."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import channels_first, channels_last, fill, run

from odconv_keras import CBAM, EfficientChannelAttention, SqueezeExcitation
from odconv_keras.layers import build_conv
from odconv_spec import ConvSpec

LAYERS = {
    "se": (SqueezeExcitation, {"reduction": 2, "hidden_channels": 5, "bias": True}),
    "cbam": (
        CBAM,
        {
            "reduction": 2,
            "hidden_channels": 3,
            "mlp_bias": False,
            "spatial": True,
            "kernel_size": 3,
            "rank": 2,
        },
    ),
    "eca": (EfficientChannelAttention, {"kernel_size": 5}),
}
MAPS = np.random.default_rng(0).random((2, 5, 4, 6), "float32")


def built(kind, shape=MAPS.shape, **options):
    make, own = LAYERS[kind]
    layer = make(**own, **options)
    layer.build((None, *shape[1:]))
    return fill(layer)


@pytest.mark.parametrize("kind", LAYERS)
def test_config_keeps_every_option(kind):
    make, own = LAYERS[kind]
    options = own | {"data_format": "channels_first", "name": "own", "dtype": "mixed_bfloat16"}
    first = make(**options)
    assert set(own) == set(make.option_names())
    second = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(first))
    assert second.get_config() == first.get_config()
    for name, value in options.items():
        assert name == "dtype" or getattr(second, name) == value
    assert second.dtype_policy.name == "mixed_bfloat16"


def test_a_saved_model_gives_the_same_numbers(tmp_path):
    inputs = keras.Input(MAPS.shape[1:])
    y = inputs
    for make, own in LAYERS.values():
        y = make(**own)(y)
    model = fill(keras.Model(inputs, y))
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(run(again, MAPS), run(model, MAPS))


@pytest.mark.parametrize("kind", LAYERS)
def test_channels_first(kind):
    last, maps = built(kind), channels_first(MAPS)
    first = built(kind, maps.shape, data_format="channels_first")
    first.set_weights(last.get_weights())
    y = channels_last(run(first, maps))
    np.testing.assert_allclose(y, run(last, MAPS), rtol=1e-5, atol=1e-6)
    gates = {name: np.array(keras.ops.convert_to_numpy(g)) for name, g in last.gates(MAPS).items()}
    product = MAPS * np.prod(np.broadcast_arrays(*gates.values(), MAPS)[:-1], axis=0)
    np.testing.assert_allclose(run(last, MAPS), product, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", LAYERS)
def test_mixed_precision(kind):
    exact, mixed = built(kind), built(kind, dtype="mixed_bfloat16")
    mixed.set_weights(exact.get_weights())
    y = mixed(MAPS)
    assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"
    y = keras.ops.convert_to_numpy(keras.ops.cast(y, "float32"))
    np.testing.assert_allclose(y, run(exact, MAPS), rtol=0.1, atol=0.1)


def test_channels_that_do_not_go_with_the_options():
    with pytest.raises(ValueError, match="kernel_size: expected an odd number"):
        EfficientChannelAttention(kernel_size=4)
    with pytest.raises(ValueError, match="expected an input of 5 axes for rank=3"):
        CBAM(2, rank=3)(MAPS)
    layer = EfficientChannelAttention()
    layer(np.ones((1, 4, 256), "float32"))
    assert layer.spec.kernel_size == 5 and layer.get_config()["kernel_size"] is None


@pytest.mark.usefixtures("float64")
def test_a_kernel_of_one_output_has_a_gradient_in_float64():
    """Keras gives PyTorch such kernels in an order of axes in which it has none."""
    layer = build_conv(ConvSpec(in_channels=3, out_channels=1, kernel_size=3), dtype="float64")
    model = keras.Sequential([keras.Input((6, 5, 3), dtype="float64"), layer])
    eagerly = keras.backend.backend() != "jax"
    model.compile(keras.optimizers.SGD(1.0), "mse", run_eagerly=eagerly)
    before = layer.get_weights()[0]
    model.train_on_batch(np.ones((2, 6, 5, 3)), np.zeros((2, 4, 3, 1)))
    assert not np.array_equal(layer.get_weights()[0], before)
