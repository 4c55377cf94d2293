"""Convolutions that are left as they are, and why."""

from __future__ import annotations

import copy

import numpy as np
import paddle
import pytest
from canonical import randomised
from paddle import nn

from odconv_paddle import replace_convs
from odconv_paddle.layers import DynamicConv

KINDS = ("od", "dy", "cond")


class DFL(nn.Layer):
    """The integral over a distribution, as in YOLO's head: a fixed kernel 0, 1, 2, ..."""

    def __init__(self, bins=8):
        super().__init__()
        self.conv = nn.Conv2D(bins, 1, 1, bias_attr=False)
        self.conv.weight.set_value(paddle.arange(bins, dtype="float32").reshape([1, bins, 1, 1]))
        self.conv.weight.stop_gradient = True
        self.bins = bins

    def forward(self, x):
        batch, _, anchors = x.shape
        shares = x.reshape([batch, 4, self.bins, anchors]).transpose([0, 2, 1, 3])
        return self.conv(nn.functional.softmax(shares, 1)).reshape([batch, 4, anchors])


class Detector(nn.Layer):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2D(3, 6, 3, stride=2)
        self.neck = nn.Sequential(nn.Conv2D(6, 6, 3, groups=6), nn.BatchNorm2D(6), nn.Silu())
        self.box = nn.Conv2D(6, 32, 1)

    def forward(self, x):
        return self.dfl(self.box(self.neck(self.stem(x))).flatten(2))


@pytest.fixture
def detector():
    model = randomised(Detector())
    model.dfl = DFL()
    model.eval()
    return model


def three(middle):
    return nn.Sequential(nn.Conv2D(3, 4, 3), middle, nn.Conv2D(4, 5, 1))


def left(model, **options):
    replaced = replace_convs(model, "dy", **options)
    return [change.path for change in replaced.changes], dict(replaced.skipped)


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_detector_keeps_its_fixed_kernel(detector, kind):
    x = paddle.randn([2, 3, 21, 18])
    expected = detector(x)
    replaced = replace_convs(detector, kind, kernel_num=3)
    assert [change.path for change in replaced.changes] == ["neck.0", "box"]
    assert [path for path, _ in replaced.skipped] == ["dfl.conv"]
    assert "frozen=True" in replaced.skipped[0][1]
    assert type(detector.dfl.conv) is nn.Conv2D
    assert detector.dfl.conv.weight.stop_gradient
    assert not detector.box.weight.stop_gradient
    assert not detector.box.bias.stop_gradient
    close(detector(x), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_frozen_convolutions_are_replaced_when_asked(detector, kind):
    """As in fine-tuning; what was frozen stays so, each array of its own."""
    for parameter in detector.parameters():
        parameter.stop_gradient = True
    detector.box.bias.stop_gradient = False
    x = paddle.randn([2, 3, 21, 18])
    expected = detector(x)
    assert left(copy.deepcopy(detector))[0] == []
    replaced = replace_convs(detector, kind, frozen=True)
    assert [change.path for change in replaced.changes] == ["neck.0", "box", "dfl.conv"]
    assert replaced.skipped == ()
    assert [n for n, p in detector.named_parameters() if not p.stop_gradient] == ["box.bias"]
    close(detector(x), expected)


def test_a_frozen_choice_is_named():
    model = three(nn.Conv2D(4, 4, 3))
    model[1].weight.stop_gradient = True
    changes, skipped = left(model, where=lambda path, conv: path == "1")
    assert changes == []
    assert list(skipped) == ["1"]


def test_a_frozen_first_convolution_is_the_first():
    model = three(nn.Conv2D(4, 4, 3))
    model[0].weight.stop_gradient = True
    assert left(model) == (["1", "2"], {})


def test_a_transposed_convolution_is_not_the_first():
    layers = nn.Conv2DTranspose(3, 4, 2), nn.Conv2D(4, 4, 3), nn.Conv2D(4, 5, 1)
    changes, skipped = left(nn.Sequential(*layers))
    assert changes == ["2"]
    assert list(skipped) == ["0"]


class Own(nn.Conv2D):
    def forward(self, x):
        return super().forward(x.abs())


def hooked():
    conv = nn.Conv2D(4, 4, 3)
    conv.register_forward_post_hook(lambda layer, inputs, output: output)
    return conv


def with_forward():
    conv = nn.Conv2D(4, 4, 3)
    conv.forward = lambda x: x
    return conv


def lazy():
    with paddle.LazyGuard():
        return nn.Conv2D(4, 4, 3)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Own(4, 4, 3), "the forward of its class"),
        (with_forward, "the forward of its class"),
        (hooked, "no hooks"),
        (lambda: nn.utils.weight_norm(nn.Conv2D(4, 4, 3)), "no hooks"),
        (lambda: nn.utils.spectral_norm(nn.Conv2D(4, 4, 3)), "no hooks"),
        (lazy, "LazyGuard"),
        (lambda: nn.Conv2DTranspose(4, 4, 3), "received Conv2DTranspose"),
    ],
)
def test_what_would_be_lost_is_left_and_named(make, reason):
    model = three(make())
    before = model[1]
    changes, skipped = left(model)
    assert changes == ["2"]
    assert list(skipped) == ["1"]
    assert reason in skipped["1"]
    assert model[1] is before


@pytest.mark.parametrize("name", ["weight", "bias"])
def test_tied_arrays_stay_tied(name):
    model = nn.Sequential(*(nn.Conv2D(4, 4, 3) for _ in range(4)))
    setattr(model[3], name, getattr(model[1], name))
    changes, skipped = left(model)
    assert changes == ["2"]
    assert skipped["1"].endswith(f"with one of 3.{name}")
    assert skipped["3"].endswith(f"with one of 1.{name}")
    assert getattr(model[3], name) is getattr(model[1], name)


def test_data_parallel_keeps_its_parameters():
    model = three(nn.Conv2D(4, 4, 3))
    changes, skipped = left(paddle.DataParallel(model))
    assert changes == []
    assert list(skipped) == ["_layers.1", "_layers.2"]
    assert "replace before wrapping" in skipped["_layers.1"]
    assert left(model) == (["1", "2"], {})


def test_a_single_channel_and_a_list_of_layers():
    class Lists(nn.Layer):
        def __init__(self):
            super().__init__()
            self.convs = nn.LayerList([nn.Conv1D(1, 4, 3), nn.Conv1D(4, 1, 3), nn.Conv1D(1, 1, 2)])

        def forward(self, x):
            for conv in self.convs:
                x = conv(x)
            return x

    model = Lists()
    x = paddle.randn([3, 1, 12])
    expected = model(x)
    assert left(model, where=lambda path, conv: True)[0] == ["convs.0", "convs.1", "convs.2"]
    assert all(isinstance(conv, DynamicConv) for conv in model.convs)
    close(model(x), expected)
