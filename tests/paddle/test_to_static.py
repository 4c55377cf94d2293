"""Static graphs of unknown batch, height and width, against the dynamic graph."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import paddle
import pytest
from canonical import randomised
from paddle import nn
from paddle.static import InputSpec

from odconv_paddle import ODConv1D, ODConv2D, ODConv3D, create_model

LAYERS = {
    "1d": (ODConv1D, {"kernel_size": 3, "padding": [0, 2], "stride": 2}, (11,)),
    "2d": (
        ODConv2D,
        {"kernel_size": (3, 4), "padding": [0, 1, 2, 3], "groups": 2, "bias_attr": None},
        (5, 7),
    ),
    "one tap": (ODConv2D, {"kernel_size": 1, "stride": 2}, (5, 7)),
    "shared kernel": (ODConv2D, {"kernel_size": 1, "kernel_num": 1}, (5, 7)),
    "3d": (ODConv3D, {"kernel_size": (2, 3, 1), "padding": 1, "stride": (1, 2, 1)}, (3, 5, 4)),
}
MODELS = {
    "od_resnet50": {"stages": [[4, 1], [6, 1]], "stem_channels": 4, "kernel_num": 2},
    "od_mobilenetv2_050": {"stages": [[2, 8, 1, 2]]},
}


class Net(nn.Layer):
    """A user's network around the layer."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)


def unknown(rank, channels, dtype="float64"):
    """An input of which only the channels are known."""
    return InputSpec([None, channels, *[None] * rank], dtype)


def to_static(net, spec, full_graph):
    """With full_graph=False sizes become unknown by being different from one call to the next."""
    return paddle.jit.to_static(
        net, input_spec=[spec] if full_graph else None, full_graph=full_graph
    )


def train_step(net, x):
    """The output, all gradients, and the statistics after it."""
    net.train()
    leaf = x.clone().detach()
    leaf.stop_gradient = False
    y = net(leaf)
    (y * y).sum().backward()
    found = [y, leaf.grad] + [p.grad for p in net.parameters() if not p.stop_gradient]
    found = [tensor.numpy() for tensor in (*found, *net.state_dict().values())]
    net.clear_gradients()
    return found


def assert_equal(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * max(1, np.abs(b).max()))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("full_graph", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, full_graph):
    make, options, sizes = LAYERS[name]
    net = Net(randomised(make(4, 6, **options)))
    static = Net(make(4, 6, **options))
    static.set_state_dict(net.state_dict())
    static = to_static(static, unknown(len(sizes), 4), full_graph)
    inputs = [paddle.randn([batch, 4, *(size + batch for size in sizes)]) for batch in (3, 1, 2)]
    for x in inputs:
        assert_equal(train_step(static, x), train_step(net, x))
    net.eval()
    static.eval()
    for temperature in (1.0, 7.0):
        for either in (net, static):
            either.layer.set_temperature(temperature)
        for x in inputs:
            np.testing.assert_allclose(static(x), net(x), rtol=1e-9, atol=1e-9)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("name", "full_graph"), [("od_resnet50", True), ("od_mobilenetv2_050", False)]
)
def test_models(name, full_graph):
    net, static = (create_model(name, num_classes=3, **MODELS[name]) for _ in range(2))
    static.set_state_dict(randomised(net).state_dict())
    static = to_static(static, InputSpec([None, 3, 33, 36], "float64"), full_graph)
    for batch in (3, 2):
        x = paddle.randn([batch, 3, 33, 36])
        assert_equal(train_step(static, x), train_step(net, x))


LOADER = """
import sys
import numpy as np
import paddle
net = paddle.jit.load(sys.argv[1])
net.eval()
inputs = np.load(sys.argv[2])
np.savez(sys.argv[3], **{name: net(paddle.to_tensor(inputs[name])).numpy() for name in inputs})
"""


@pytest.mark.parametrize("name", MODELS)
def test_saved_for_inference_and_loaded_in_a_fresh_process(name, tmp_path):
    net = randomised(create_model(name, num_classes=3, **MODELS[name]))
    net.set_temperature(2.5)
    net.eval()
    inputs = {str(b): paddle.randn([b, 3, 40 + b, 35]).numpy() for b in (1, 4)}
    np.savez(tmp_path / "in.npz", **inputs)
    paddle.jit.save(net, str(tmp_path / "net"), input_spec=[unknown(2, 3, "float32")])
    paths = [str(tmp_path / file) for file in ("net", "in.npz", "out.npz")]
    subprocess.run([sys.executable, "-c", LOADER, *paths], check=True, capture_output=True)
    outputs = np.load(tmp_path / "out.npz")
    for batch, x in inputs.items():
        expected = net(paddle.to_tensor(x))
        np.testing.assert_allclose(outputs[batch], expected, rtol=1e-4, atol=1e-5)
