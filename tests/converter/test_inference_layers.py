"""A file with the arrays of one layer tells which layer it is."""

from __future__ import annotations

import numpy as np
import pytest

from odconv_spec import (
    CBAMSpec,
    CondConvSpec,
    DyConvSpec,
    EfficientChannelAttentionSpec,
    ODConvSpec,
    SqueezeExcitationSpec,
)
from tests.converter.helpers import ENDINGS, arrays_of, save
from weights_converter import MismatchError
from weights_converter.identify.lone_layers import infer_layer
from weights_converter.identify.manifest import Manifest
from weights_converter.identify.open_model import open_model

LAYERS = [
    ODConvSpec(in_channels=8, out_channels=6, kernel_size=(3, 5), groups=2, bias=True),
    ODConvSpec(in_channels=6, out_channels=6, kernel_size=3, groups=6, rank=1, kernel_num=1),
    ODConvSpec(in_channels=8, out_channels=6, kernel_size=3, rank=3, attention_sharing=False),
    CondConvSpec(in_channels=8, out_channels=6, kernel_size=3, rank=1, kernel_num=3),
    CondConvSpec(in_channels=8, out_channels=8, kernel_size=3, groups=8, bias=True),
    DyConvSpec(in_channels=8, out_channels=6, kernel_size=1, rank=3, kernel_num=2, bias=True),
    SqueezeExcitationSpec(channels=6, reduction=1),  # square kernels, which no shape tells apart
    SqueezeExcitationSpec(channels=9, hidden_channels=4, bias=True),
    CBAMSpec(channels=8, reduction=4, rank=1),
    CBAMSpec(channels=8, reduction=4, mlp_bias=False, kernel_size=3, rank=3),
    CBAMSpec(channels=8, reduction=2, spatial=False),
    EfficientChannelAttentionSpec(kernel_size=5),
]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("spec", LAYERS, ids=lambda spec: spec.layer_name)
def test_a_lone_layer(tmp_path, spec, ending):
    arrays = arrays_of(spec)
    weights = open_model(save(tmp_path / f"x{ending}", spec, arrays, ending))
    assert weights.spec == Manifest.of_layer(spec)
    assert weights.spec.trainable_count() == sum(
        np.prod(p.shape) for p in spec.parameters() if p.role.trainable
    )
    for name, array in arrays.items():
        assert weights.tensors[name].load().tobytes() == array.tobytes()


def test_a_layer_whose_arrays_contradict_each_other():
    shapes = {p.name: p.shape for p in LAYERS[0].parameters()} | {"weight": (4, 6, 3, 3, 5)}
    with pytest.raises(MismatchError) as error:
        infer_layer(shapes)
    assert str(error.value) == (
        "weight (4, 6, 3, 3, 5) has 3 input channels in a group, but attention.fc.weight "
        "(16, 8, 1, 1) reads 8"
    )


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (
            {"fc.0.weight": (4, 64), "fc.2.weight": (64, 5)},
            r"fc.2.weight: expected \(64, 4\) in the layer that fc.0.weight \(4, 64\) is of, a "
            r"SqueezeExcitation, found \(64, 5\)",
        ),
        (
            {"fc.0.weight": (4, 64), "fc.2.weight": (64, 4), "fc.3.weight": (4, 4)},
            r"fc.3.weight: expected no such array .*, found \(4, 4\)",
        ),
        ({"fc.0.weight": (0, 64)}, r"expected hidden channels, found .* \[\(64, 0\)\]"),
        ({"fc.0.weight": (4,)}, r"fc.0.weight: expected an array with 2 axes, found \(4,\)"),
        (
            {"ChannelGate.mlp.1.weight": (4, 64), "SpatialGate.spatial.bn.bias": (2,)},
            r"ChannelGate.mlp.3.weight: expected \(64, 4\) in the layer .*, found none",
        ),
        ({"conv.weight": (1, 1, 4)}, r"of no possible layer: kernel_size: expected an odd number"),
    ],
)
def test_a_layer_that_scales_maps_whose_arrays_contradict_each_other(shapes, message):
    with pytest.raises(MismatchError, match=message):
        infer_layer(shapes)


@pytest.mark.parametrize(
    "shapes",
    [
        {"conv.weight": (64, 3, 7, 7)},
        {"conv.weight": (1, 1, 5), "bn.weight": (4,)},
        {"fc.0.weight": (4, 64), "fc.2.weight": (64, 4), "head.weight": (10, 64)},
    ],
)
def test_arrays_of_more_than_a_layer(shapes):
    assert infer_layer(shapes) is None
