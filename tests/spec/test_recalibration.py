"""Layers that scale maps: their options, and the way back from their arrays."""

from __future__ import annotations

import numpy as np
import pytest

from odconv_spec import (
    CBAMSpec,
    EfficientChannelAttentionSpec,
    SqueezeExcitationSpec,
    UnexplainedError,
    model_spec,
)
from odconv_spec.efficient_channel_attention import rule_of_the_paper
from odconv_spec.recalibration import infer_reduction
from odconv_spec.recalibrations import RECALIBRATIONS, lone_recalibration
from parity_tests.sweep import LayerDraw


def shapes_of(spec):
    return {parameter.name: parameter.shape for parameter in spec.parameters()}


@pytest.mark.parametrize("seed", range(40))
def test_random_layers_come_back_from_their_arrays(seed):
    spec, _ = LayerDraw(np.random.default_rng(seed)).recalibration()
    found = lone_recalibration(shapes_of(spec))
    assert type(found) is type(spec)
    assert found.parameters() == spec.parameters()
    assert found.channels in (spec.channels, None)


def test_kinds_are_told_apart():
    for kind in RECALIBRATIONS.values():
        shapes = shapes_of(kind(channels=64))
        assert [other for other in RECALIBRATIONS.values() if other.shows(shapes)] == [kind]


def test_the_published_reduction_comes_before_others_that_give_the_same_widths():
    assert infer_reduction({(64, 4), (512, 32)}, usual=16) == {"reduction": 16}
    assert infer_reduction({(64, 4), (65, 4)}, usual=16) == {"reduction": 16}
    assert infer_reduction({(30, 4)}, usual=16) == {"reduction": 7}
    assert infer_reduction({(8, 1), (64, 4)}, usual=16) == {"reduction": 16}
    assert infer_reduction({(64, 1)}, usual=16) == {"reduction": 33}
    assert infer_reduction({(4, 9), (64, 9)}, usual=16) == {"hidden_channels": 9}
    with pytest.raises(UnexplainedError, match="no reduction explains the hidden widths"):
        infer_reduction({(64, 4), (128, 9), (256, 3)}, usual=16)


@pytest.mark.parametrize("kind", [SqueezeExcitationSpec, CBAMSpec])
def test_fewer_channels_than_the_reduction_have_one_hidden_channel(kind):
    """An error would forbid se_mobilenetv2_050, whose first block has eight channels."""
    hidden = {channels: kind(channels=channels).squeeze().out_channels for channels in (1, 8, 15)}
    assert hidden == {1: 1, 8: 1, 15: 1}
    assert kind(channels=16).excite().in_channels == 1
    assert kind(channels=32).excite().in_channels == 2
    first = next(model_spec(f"{kind.kind}_mobilenetv2_050").blocks()).recalibration
    assert (first.channels, first.squeeze().out_channels) == (8, 1)


def test_taps_by_the_rule_of_the_paper():
    """The values that timm has for these widths; 80 of ResNet-50 is another choice."""
    taps = {64: 3, 128: 5, 256: 5, 512: 5, 1024: 5, 2048: 7, 1: 3, 16: 3}
    assert {channels: rule_of_the_paper(channels) for channels in taps} == taps
    assert EfficientChannelAttentionSpec().kernel_size is None
    assert EfficientChannelAttentionSpec(channels=128).kernel_size == 5
    assert EfficientChannelAttentionSpec(channels=128, kernel_size=3).kernel_size == 3


def test_the_norm_of_the_spatial_gate_has_the_published_momentum():
    assert CBAMSpec(channels=64).spatial_norm().momentum == 0.01


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SqueezeExcitationSpec(channels=64, reduction=0), "reduction: expected a whole"),
        (lambda: SqueezeExcitationSpec(channels=0), "channels: expected a whole number >= 1"),
        (lambda: SqueezeExcitationSpec(channels=8, hidden_channels=0), "hidden_channels: expected"),
        (lambda: SqueezeExcitationSpec(channels=64, bias=1), "bias: expected True or False"),
        (lambda: SqueezeExcitationSpec().parameters(), "channels: expected those of the map"),
        (lambda: CBAMSpec(channels=64, kernel_size=4), "kernel_size: expected an odd number"),
        (
            lambda: CBAMSpec(channels=64, rank=4),
            "rank: expected 1, 2 or 3 spatial axes, received 4",
        ),
        (lambda: CBAMSpec(channels=64, mlp_bias=None), "mlp_bias: expected True or False"),
        (lambda: CBAMSpec(channels=64, spatial="no"), "spatial: expected True or False"),
        (
            lambda: EfficientChannelAttentionSpec(channels=64, kernel_size=2),
            "kernel_size: expected an odd number, so that there is a factor for each channel",
        ),
        (lambda: EfficientChannelAttentionSpec().parameters(), "channels: expected those"),
    ],
)
def test_options_out_of_range(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_multiply_adds():
    """The mean and the scaling, 2 * 64 * 30, and the layers."""
    assert SqueezeExcitationSpec(channels=64).multiply_adds(30) == 3840 + 2 * 64 * 4
    assert EfficientChannelAttentionSpec(channels=64).multiply_adds(30) == 3840 + 64 * 3
    channel = 3840 + 4 * 64 * 4  # both the mean and the maximum pass the layers
    assert CBAMSpec(channels=64, spatial=False).multiply_adds(30) == channel
    assert CBAMSpec(channels=64).multiply_adds(30) == channel + 3840 + 2 * 49 * 30
