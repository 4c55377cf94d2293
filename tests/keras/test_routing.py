"""One router for several convolutions, as in CondConv's published blocks."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import LAYERS, channels_first, fill, numpy, run

from odconv_keras import CondConv2D, ODConv2D, Routing
from odconv_keras.layers import Chain


def images(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_the_router_is_a_sigmoid_of_a_linear_layer_on_the_mean(data_format):
    x = images(3, 5, 6, 4).astype("float64")
    routing = Routing(7, data_format=data_format, dtype="float64")
    given = x if data_format == "channels_last" else channels_first(x)
    routing.build(given.shape)
    logits = x.mean((1, 2)) @ numpy(fill(routing).kernel) + numpy(routing.bias)
    np.testing.assert_allclose(run(routing, given), 1 / (1 + np.exp(-logits)), rtol=1e-12)
    assert routing.compute_output_shape(given.shape) == (3, 7)
    assert not isinstance(routing, keras.layers.Dense)
    assert isinstance(routing.kernel_initializer, keras.initializers.GlorotUniform)
    assert Routing.from_config(routing.get_config()).get_config() == routing.get_config()


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_shared_routing_weights(rank):
    x = images(2, *(5, 6, 4)[:rank], 4).astype("float64")
    own, layer = (
        LAYERS["cond"][rank - 1](6, 3, kernel_num=3, router=router, dtype="float64")
        for router in ("own", "shared")
    )
    own.build(x.shape)
    layer.build(x.shape)
    layer.set_weights([fill(own).kernel, own.bias])
    found = layer(x, run(own.routing, x))
    np.testing.assert_allclose(numpy(found), run(own, x), rtol=1e-9, atol=1e-12)
    assert [weight.name for weight in layer.weights] == ["kernel", "bias"]


def test_a_functional_block_with_one_router(tmp_path):
    inputs = keras.Input((None, None, 4))
    routing = Routing(3)(inputs)
    y = CondConv2D(8, 1, kernel_num=3, router="shared", activation="relu")(inputs, routing)
    y = CondConv2D(4, 3, padding="same", kernel_num=3, router="shared")(y, routing=routing)
    model = fill(keras.Model(inputs, y + inputs))
    assert model.output_shape == (None, None, None, 4)
    assert sum("routing" in layer.name for layer in model.layers) == 1
    x = images(2, 5, 6, 4)
    expected = model.predict(x, verbose=0)
    _, router, first, second, *_ = model.layers
    weights = run(router, x)
    plain = numpy(second(first(x, weights), weights)) + x
    np.testing.assert_allclose(expected, plain, rtol=1e-4, atol=1e-4)
    model.save(tmp_path / "block.keras")
    loaded = keras.models.load_model(tmp_path / "block.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), expected)


def test_a_chain_hands_the_weights_to_those_that_take_them():
    def conv(filters):
        return CondConv2D(filters, 1, kernel_num=2, router="shared", dtype="float64")

    inner = Chain([conv(5), keras.layers.ReLU(dtype="float64")], dtype="float64")
    chain = Chain([keras.layers.ReLU(dtype="float64"), inner, conv(3)], dtype="float64")
    x = images(2, 3, 4, 4).astype("float64")
    weights = np.random.default_rng(1).random((2, 2))
    chain.build(x.shape)
    first, second = getattr(fill(chain), "1"), getattr(chain, "2")
    hidden = numpy(getattr(first, "0")(np.maximum(x, 0), weights))
    expected = numpy(second(np.maximum(hidden, 0), weights))
    np.testing.assert_allclose(numpy(chain(x, weights)), expected, rtol=1e-9, atol=1e-12)
    assert chain.takes_shared
    assert not Chain([ODConv2D(3, 3)]).takes_shared


@pytest.mark.parametrize(
    ("router", "routing", "message"),
    [
        ("shared", None, r"routing: expected weights \(batch, 3\), received None"),
        ("own", (2, 3), "routing: expected None beside router='own', received weights of shape"),
        ("shared", (2, 4), r"routing: expected shape \(batch, 3\), received \(2, 4\)"),
        ("shared", (2, 1, 3), r"routing: expected shape \(batch, 3\), received \(2, 1, 3\)"),
    ],
)
def test_wrong_routing_weights(router, routing, message):
    layer = CondConv2D(6, 3, kernel_num=3, router=router)
    given = None if routing is None else np.ones(routing, "float32")
    with pytest.raises(ValueError, match=message):
        layer(images(2, 5, 6, 4), given)
    symbol = None if routing is None else keras.Input(batch_shape=(None, *routing[1:]))
    with pytest.raises(ValueError, match="routing: expected"):
        layer(keras.Input((5, 6, 4)), symbol)
