"""Layers are made from their spec, which is checked when it is made."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from odconv_spec import CondConvSpec, ConvSpec, DyConvSpec, DynamicConvSpec, ODConvSpec, model_spec

KINDS = (ODConvSpec, DyConvSpec, CondConvSpec)
GEOMETRY = {
    "in_channels": 6,
    "out_channels": 4,
    "kernel_size": 3,
    "stride": 2,
    "padding": 1,
    "groups": 2,
    "bias": True,
}


def specs_made(run):
    """The classes of the specs of convolutions that are made, and checked, while `run` runs."""
    made = []

    def hook(frame, event, _):
        if event == "call" and frame.f_code is ConvSpec.__post_init__.__code__:
            made.append(type(frame.f_locals["self"]))

    sys.setprofile(hook)
    try:
        result = run()
    finally:
        sys.setprofile(None)
    return result, made


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_is_made_from_its_spec_without_another_one(kit, kind, rank):
    spec = kind(**GEOMETRY, rank=rank, kernel_num=3)
    layer, made = specs_made(lambda: kit.build(spec))
    assert layer.spec is spec
    assert not [c for c in made if issubclass(c, DynamicConvSpec)]
    paths = {p.name.rpartition(".")[0] for p in spec.attention_parameters()}
    assert len(made) <= len(paths)  # one for each layer of the attention


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", [ConvSpec, *KINDS])
def test_a_call_makes_and_checks_no_geometry(kit, kind, rank):
    layer = kit.build(kind(**GEOMETRY, rank=rank), dtype="float32")
    x = np.random.default_rng(0).normal(size=(2, 6, *range(5, 5 + rank))).astype("float32")
    y, made = specs_made(lambda: kit.run(layer, x))
    assert made == []
    assert y.shape == (2, 4, *(3, 3, 4)[:rank])


def test_a_network_makes_no_geometry_when_it_is_called(kit):
    spec = model_spec("od_resnet18", stages=[[4, 1], [6, 1]], stem_channels=4, num_classes=3)
    model = kit.build(spec, dtype="float32")
    x = np.random.default_rng(0).normal(size=(2, 3, 32, 33)).astype("float32")
    _, made = specs_made(lambda: kit.run(model, x))
    assert made == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_spec_of_another_layer(kit, kind):
    layer = type(kit.build(kind(**GEOMETRY)))
    other = next(other for other in KINDS if other is not kind)
    for spec in (other(**GEOMETRY), kind(**GEOMETRY, rank=1)):
        with pytest.raises(ValueError, match=rf"from_spec: expected a {kind.__name__} with rank=2"):
            layer.from_spec(spec)
