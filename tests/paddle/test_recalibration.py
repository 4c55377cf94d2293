"""SE, CBAM and ECA: what all frameworks must do, and what Paddle has besides."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from canonical import randomised
from paddle.static import InputSpec

from odconv_paddle import CBAM, EfficientChannelAttention, SqueezeExcitation

LAYERS = {
    "se": lambda **options: SqueezeExcitation(6, 2, **options),
    "cbam": lambda **options: CBAM(6, 2, **options),
    "eca": lambda **options: EfficientChannelAttention(6, **options),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_channels_last(kind):
    x = paddle.randn([2, 6, 5, 4])
    first = randomised(LAYERS[kind]())
    last = LAYERS[kind](data_format="NHWC")
    last.set_state_dict(first.state_dict())
    for layer in (first, last):
        layer.eval()
    y = last(x.transpose([0, 2, 3, 1])).transpose([0, 3, 1, 2])
    np.testing.assert_allclose(y, first(x), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="data_format: expected"):
        LAYERS[kind](data_format="channels_last")


@pytest.mark.parametrize("kind", LAYERS)
def test_static_graph_of_unknown_sizes(kind):
    layer = randomised(LAYERS[kind]())
    layer.eval()
    graph = paddle.jit.to_static(
        layer.forward, input_spec=[InputSpec([None, 6, None, None])], full_graph=True
    )
    for shape in ([1, 6, 5, 4], [3, 6, 7, 3]):
        x = paddle.randn(shape)
        np.testing.assert_allclose(graph(x), layer(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", LAYERS)
def test_gradients_of_gradients(kind):
    layer = randomised(LAYERS[kind]())
    x = paddle.randn([2, 6, 5, 4])
    x.stop_gradient = False
    (gradient,) = paddle.grad((layer(x) ** 2).sum(), x, create_graph=True)
    (gradient**2).sum().backward()
    assert bool(paddle.isfinite(x.grad).all()) and float(x.grad.abs().max()) > 0


@pytest.mark.parametrize("kind", LAYERS)
def test_mixed_precision_keeps_the_precision_of_the_map(kind):
    layer = randomised(LAYERS[kind]())
    layer.eval()
    x = paddle.randn([2, 6, 5, 4])
    with paddle.amp.auto_cast(dtype="bfloat16", level="O1"):
        mixed = layer(x)
    np.testing.assert_allclose(mixed.astype("float32"), layer(x), rtol=0.05, atol=0.05)


def test_the_maximum_over_three_axes_has_a_gradient():
    """Of `amax` over all three at once, Paddle gives memory that nothing was written to."""
    from odconv_paddle.layers.pooling import global_max

    x = paddle.randn([2, 3, 4, 3, 5])
    x.stop_gradient = False
    global_max(x).sum().backward()
    assert sorted(set(x.grad.numpy().ravel())) == [0, 1] and float(x.grad.sum()) == 6
