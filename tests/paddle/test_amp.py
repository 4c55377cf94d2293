"""Automatic mixed precision, in training and in inference.

Paddle has no half precision on a CPU: there both levels compute in float32, and what can be seen is
that layers and networks run under them, and that attentions leave half precision.
"""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from canonical import randomised

from odconv_paddle import CondConv2D, DyConv2D, ODConv2D, create_model
from odconv_paddle.layers.temperature import at_least_float32

NETS = {
    "od": lambda: ODConv2D(3, 6, 3, padding=1),
    "od layer norm": lambda: ODConv2D(3, 6, 3, attention_sharing=False, norm="layer"),
    "dy": lambda: DyConv2D(3, 6, 3, padding=1),
    "cond": lambda: CondConv2D(3, 6, 3, padding=1),
    "cond_mobilenetv2": lambda: create_model(
        "cond_mobilenetv2_050", stages=[[1, 8, 1, 2], [2, 8, 2, 1]], num_classes=3
    ),
}


@pytest.mark.filterwarnings("ignore:.*(float16|bfloat16|amp).*")
@pytest.mark.parametrize("level", ["O1", "O2"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", NETS)
def test_mixed_precision(name, level, dtype):
    net = randomised(NETS[name]())
    x = paddle.randn([3, 3, 9, 7])
    net.eval()
    expected = net(x)
    if level == "O2":
        net = paddle.amp.decorate(net, level=level, dtype=dtype)
    with paddle.amp.auto_cast(level=level, dtype=dtype):
        y = net(x)
    scale = float(expected.abs().max())
    np.testing.assert_allclose(y.astype("float32"), expected, rtol=0.05, atol=0.02 * scale)
    net.train()
    optimiser = paddle.optimizer.SGD(1e-3, parameters=net.parameters())
    scaler = paddle.amp.GradScaler(init_loss_scaling=64.0)
    with paddle.amp.auto_cast(level=level, dtype=dtype):
        loss = net(x).astype("float32").square().mean()
    scaler.scale(loss).backward()
    scaler.step(optimiser)
    assert all(p.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("make", [ODConv2D, DyConv2D])
def test_attentions_leave_half_precision(make, dtype):
    logits = paddle.ones([2, 8, 1, 1]).astype(dtype)
    assert make(8, 6, 3).attention._tempered(logits).dtype == paddle.float32
    assert at_least_float32(logits).dtype == paddle.float32


def test_double_precision_stays(float64):
    assert ODConv2D(8, 6, 3).attention._tempered(paddle.ones([2, 8])).dtype == paddle.float64
    assert at_least_float32(paddle.ones([2])).dtype == paddle.float64
