"""Second derivatives, which gradient penalties ask for, against differences of first gradients."""

from __future__ import annotations

from itertools import product

import numpy as np
import paddle
import pytest
from canonical import randomised
from paddle import nn
from paddle.nn import functional as F

from odconv_paddle import (
    BatchNorm2D,
    CondConv1D,
    CondConv2D,
    CondConv3D,
    DyConv1D,
    DyConv2D,
    DyConv3D,
    ODConv1D,
    ODConv2D,
    ODConv3D,
    Routing,
)
from odconv_paddle.layers import differentiable

pytestmark = pytest.mark.usefixtures("float64")

OD, DY, COND = (
    (ODConv1D, ODConv2D, ODConv3D),
    (DyConv1D, DyConv2D, DyConv3D),
    (CondConv1D, CondConv2D, CondConv3D),
)
GEOMETRIES = [{}, {"stride": 2, "padding": 1, "groups": 2, "bias_attr": True}, {"kernel_size": 1}]
VARIANTS = [
    *((kind, options) for kind in (OD, DY, COND) for options in GEOMETRIES),
    (OD, {"kernel_num": 1}),
    (OD, {"spatial_activation": "softmax", "norm": "layer", "dilation": 2, "padding": 2}),
    (OD, {"norm": "none", "kernel_size": 1, "stride": 2}),
    (OD, {"attention_sharing": False, "spatial_activation": "softmax", "groups": 2, "stride": 2}),
    (OD, {"attentions": (), "kernel_num": 1}),
    (COND, {"mix_bias": False}),
]
MAPS = {"large": ((11, 9, 8), 6), "small": ((3, 4, 3), 40)}  # sizes of the map, outputs


def gradient_size(layer, leaves, create_graph):
    """The squared length of all first gradients of a loss that is not linear."""
    gradients = paddle.grad(
        (layer(leaves[0]) ** 3).sum(), leaves, create_graph=create_graph, allow_unused=True
    )
    return sum(g.square().sum() for g in gradients if g is not None)


def assert_second_derivatives(layer, x):
    """Along a random direction of the input and all parameters."""
    x.stop_gradient = False
    leaves = [x, *(p for p in layer.parameters() if not p.stop_gradient)]
    second = paddle.grad(gradient_size(layer, leaves, True), leaves, allow_unused=True)
    steps = [paddle.randn(leaf.shape) for leaf in leaves]
    found = sum(float((g * s).sum()) for g, s in zip(second, steps, strict=True) if g is not None)
    starts, sizes = [leaf.clone() for leaf in leaves], []
    for sign in (1e-6, -1e-6):
        for leaf, start, step in zip(leaves, starts, steps, strict=True):
            leaf.set_value(start + sign * step)
        sizes.append(float(gradient_size(layer, leaves, False)))
    np.testing.assert_allclose(found, (sizes[0] - sizes[1]) / 2e-6, rtol=1e-5)


def cases():
    """All of two axes and some of the others at once, the rest with the slow tests."""
    for number, variant in enumerate(VARIANTS):
        for rank, maps, mode in product((1, 2, 3), MAPS, ("train", "eval")):
            quick = (rank == 2) == (mode == "train") and (rank == 2 or number in (1, 12))
            marks = () if quick else pytest.mark.slow
            yield pytest.param(*variant, rank, maps, mode, marks=marks)


@pytest.mark.parametrize(("classes", "options", "rank", "maps", "mode"), cases())
def test_layers(classes, options, rank, maps, mode):
    paddle.seed(1)
    sizes, out = MAPS[maps]
    layer = randomised(classes[rank - 1](4, out, **{"kernel_size": 2} | options))
    getattr(layer, mode)()
    assert_second_derivatives(layer, paddle.randn([3, 4, *sizes[:rank]]))


@pytest.mark.parametrize("make", [ODConv2D, DyConv2D, CondConv2D])
@pytest.mark.parametrize("batch", [1, 3])
def test_images_of_one_channel(make, batch):
    """As groups of one convolution, the samples would be a depthwise one."""
    assert_second_derivatives(randomised(make(1, 6, 3)), paddle.randn([batch, 1, 9, 8]))


@pytest.mark.parametrize("make", [ODConv2D, DyConv2D, CondConv2D])
def test_uneven_padding(make):
    layer = randomised(make(4, 40, 2, padding=[1, 0, 0, 2], dilation=(1, 2)))
    assert_second_derivatives(layer, paddle.randn([3, 4, 2, 3]))


@pytest.mark.parametrize("make", [ODConv2D, DyConv2D, CondConv2D])
def test_channels_last(make):
    layer = randomised(make(4, 6, 3, stride=2, data_format="NHWC"))
    assert_second_derivatives(layer, paddle.randn([2, 9, 8, 4]))


def test_a_shared_router():
    class Block(nn.Layer):
        def __init__(self):
            super().__init__()
            self.routing = Routing(4, 3)
            self.conv = CondConv2D(4, 6, 3, kernel_num=3, router="shared")

        def forward(self, x):
            return self.conv(x, self.routing(x))

    assert_second_derivatives(randomised(Block()), paddle.randn([2, 4, 7, 6]))


@pytest.mark.parametrize("make", [ODConv2D, DyConv2D, CondConv2D])
def test_a_gradient_penalty_trains(make):
    """As in https://arxiv.org/abs/1704.00028: gradients of the critic get the length of one."""
    critic = nn.Sequential(
        make(3, 8, 3, padding=1), BatchNorm2D(8), nn.LeakyReLU(0.2), make(8, 4, 3, 2)
    )
    optimiser = paddle.optimizer.Adam(0.02, parameters=critic.parameters())
    x, penalties = paddle.randn([4, 3, 8, 7]), []
    x.stop_gradient = False
    for _ in range(15):
        (gradient,) = paddle.grad(critic(x).sum(), x, create_graph=True)
        penalty = (gradient.flatten(1).norm(axis=1) - 1).square().mean()
        penalty.backward()
        optimiser.step()
        optimiser.clear_grad()
        penalties.append(float(penalty))
    assert min(penalties[-3:]) < 0.2 * penalties[0]


@pytest.mark.parametrize("make", [nn.Conv2D, ODConv2D, DyConv2D])
def test_depthwise_convolutions_of_a_cpu_have_none_in_paddle(make):
    x = paddle.randn([2, 4, 6, 7])
    x.stop_gradient = False
    (gradient,) = paddle.grad(make(4, 4, 3, groups=4)(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="depthwise_conv2d_double_grad"):
        gradient.square().sum().backward()


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("axis", [1, 2])
def test_softmax_is_that_of_paddle(recorded, axis):
    x = 1000 * paddle.randn([3, 4, 5])  # whose exponentials are infinite
    x.stop_gradient = not recorded
    np.testing.assert_allclose(
        differentiable.softmax(x, axis), F.softmax(x, axis), rtol=1e-12, atol=1e-25
    )
