"""Convolutions that are left as they are, and why."""

from __future__ import annotations

import copy

import numpy as np
import paddle
import pytest
from paddle import nn

from odconv_paddle import replace_convs
from odconv_paddle.layers import DynamicConv

KINDS = ("od", "dy", "cond")


def three(middle):
    return nn.Sequential(nn.Conv2D(3, 4, 3), middle, nn.Conv2D(4, 5, 1))


def left(model, **options):
    replaced = replace_convs(model, "dy", **options)
    return [change.path for change in replaced.changes], dict(replaced.skipped)


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_each_array_stays_frozen_or_not(kind):
    """As in fine-tuning."""
    model = three(nn.Conv2D(4, 4, 3))
    for parameter in model.parameters():
        parameter.stop_gradient = True
    model[1].bias.stop_gradient = False
    assert left(copy.deepcopy(model))[0] == []
    assert [c.path for c in replace_convs(model, kind, frozen=True).changes] == ["1", "2"]
    assert [n for n, p in model.named_parameters() if not p.stop_gradient] == ["1.bias"]


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
