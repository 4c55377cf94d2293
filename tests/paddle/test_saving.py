"""Networks saved for inference and run in a fresh process, at sizes that tracing did not see."""

from __future__ import annotations

import sys

import numpy as np
import paddle
import pytest
from canonical import randomised
from paddle import nn
from paddle.static import InputSpec

from odconv_paddle import (
    BatchNorm2D,
    CondConv2D,
    CondConv3D,
    DyConv1D,
    DyConv2D,
    Features,
    ODConv1D,
    ODConv2D,
    ODConv3D,
    Routing,
    create_model,
    fuse,
    replace_convs,
)
from tests.processes import run_process

RESNET = {"stages": [[4, 1], [6, 1]], "stem_channels": 4, "num_classes": 3}
MOBILENET = {"stages": [[1, 8, 1, 2], [2, 8, 2, 1]], "num_classes": 3}


class Block(nn.Layer):
    """Two convolutions with one router."""

    def __init__(self):
        super().__init__()
        self.routing = Routing(3, 4)
        self.first = CondConv2D(3, 6, 3, kernel_num=4, router="shared")
        self.second = CondConv2D(6, 5, 1, kernel_num=4, router="shared", bias_attr=False)

    def forward(self, x):
        routing = self.routing(x)
        return self.second(self.first(x, routing), routing)


class ChannelsLast(nn.Layer):
    def __init__(self):
        super().__init__()
        self.conv = DyConv2D(3, 6, (3, 2), stride=2, data_format="NHWC")

    def forward(self, x):
        return self.conv(x.transpose([0, 2, 3, 1]))


def own_network():
    net = nn.Sequential(nn.Conv2D(3, 4, 3, 2), nn.BatchNorm2D(4), nn.ReLU(), nn.Conv2D(4, 5, 3))
    return replace_convs(net, "cond").model


def fused():
    return fuse(randomised(ODConv2D(3, 6, 3)), randomised(BatchNorm2D(6)))


NETS = {
    "od": (2, lambda: ODConv2D(3, 6, (3, 2), 2, [0, 1, 2, 3], groups=3, bias_attr=None)),
    "od 1d": (1, lambda: ODConv1D(3, 6, 3, padding=1)),
    "od 3d": (3, lambda: ODConv3D(3, 6, 2)),
    "od own attentions": (2, lambda: ODConv2D(3, 6, 3, attention_sharing=False, norm="layer")),
    "od softmax": (2, lambda: ODConv2D(3, 6, 3, spatial_activation="softmax", norm="none")),
    "od static": (2, lambda: ODConv2D(3, 6, 3, kernel_num=1, attentions=())),
    "dy": (2, lambda: DyConv2D(3, 6, (3, 2), 2, 1, groups=3)),
    "dy 1d": (1, lambda: DyConv1D(3, 6, 3, dilation=2)),
    "cond": (2, lambda: CondConv2D(3, 6, 3, padding="same")),
    "cond 3d": (3, lambda: CondConv3D(3, 6, 2, mix_bias=False)),
    "shared router": (2, Block),
    "channels last": (2, ChannelsLast),
    "own network": (2, own_network),
    "fused": (2, fused),
    "od_resnet50": (2, lambda: create_model("od_resnet50", **RESNET)),
    "dy_mobilenetv2": (2, lambda: create_model("dy_mobilenetv2_050", **MOBILENET)),
    "cond_resnet18": (2, lambda: create_model("cond_resnet18", **RESNET)),
    "cond_mobilenetv2": (2, lambda: create_model("cond_mobilenetv2_050", **MOBILENET)),
    "features": (2, lambda: Features(create_model("dy_resnet18", **RESNET), (0, 2))),
}

RUN = """
import sys
from pathlib import Path
import numpy as np
import paddle
for file in sorted(Path(sys.argv[1]).glob("*.npz")):
    net = paddle.jit.load(str(file.with_suffix("")))
    net.eval()
    found = {}
    for batch, x in np.load(file).items():
        maps = net(paddle.to_tensor(x))
        for number, y in enumerate(maps if isinstance(maps, (list, tuple)) else [maps]):
            found[f"{batch}/{number}"] = y.numpy()
    np.savez(file.with_suffix(".out"), **found)
    file.with_suffix(".out.npz").rename(file.with_suffix(".out"))
"""


@pytest.fixture(scope="module")
def reloaded(tmp_path_factory):
    """What this process computes and what a fresh one does: name -> batch/output -> array."""
    paddle.seed(0)
    folder = tmp_path_factory.mktemp("saved")
    expected = {name: save(folder / name.replace(" ", "_"), *NETS[name]) for name in NETS}
    run_process([sys.executable, "-c", RUN, str(folder)])
    found = {name: dict(np.load(folder / f"{name.replace(' ', '_')}.out")) for name in NETS}
    return expected, found


def save(path, rank, make):
    net = randomised(make())
    for layer in net.sublayers(include_self=True):
        if hasattr(layer, "temperature"):
            layer.temperature.fill_(2.5)
    net.eval()
    inputs = {str(b): paddle.randn([b, 3, *(9 + b, 17, 6)[:rank]]) for b in (1, 4)}
    np.savez(path.with_suffix(".npz"), **inputs)
    paddle.jit.save(net, str(path), input_spec=[InputSpec([None, 3, *[None] * rank], "float32")])
    expected = {}
    for batch, x in inputs.items():
        maps = net(x)
        for number, y in enumerate(maps if isinstance(maps, list) else [maps]):
            expected[f"{batch}/{number}"] = y.numpy()
    return expected


@pytest.mark.parametrize("name", NETS)
def test_a_fresh_process_computes_the_same(reloaded, name):
    expected, found = (arrays[name] for arrays in reloaded)
    assert set(found) == set(expected)
    assert len(found) == (4 if name == "features" else 2)
    for key, y in expected.items():
        scale = np.abs(y).max()
        np.testing.assert_allclose(found[key], y, rtol=1e-4, atol=1e-5 * max(1, scale))
