"""A file with the arrays of one layer tells which layer it is."""

from __future__ import annotations

import numpy as np
import pytest

from odconv_spec import (
    CondConvSpec,
    DyConvSpec,
    ODConvSpec,
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
]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("spec", LAYERS, ids=lambda spec: f"{type(spec).__name__}{spec.rank}d")
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
