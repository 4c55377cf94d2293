"""What may be asked of the layers: options, inputs and temperatures, and how errors say it."""

from __future__ import annotations

import inspect

import keras
import numpy as np
import pytest

from odconv_keras import CondConv2D, DyConv2D, ODConv2D

LAYERS = (ODConv2D, DyConv2D, CondConv2D)


@pytest.mark.parametrize("layer", LAYERS)
def test_the_signature_begins_like_that_of_keras(layer):
    ours = list(inspect.signature(layer).parameters.values())
    theirs = list(inspect.signature(keras.layers.Conv2D).parameters)[:-1]  # without **kwargs
    assert [p.name for p in ours[: len(theirs)]] == theirs
    options = layer(4, 3).option_names()
    assert [p.name for p in ours[len(theirs) : -1]] == list(
        dict.fromkeys(p.name for p in ours[len(theirs) : -1] if p.name in options)
    )
    assert {p.name for p in ours[len(theirs) : -1]} == set(options)
    assert all(p.kind is p.KEYWORD_ONLY for p in ours[len(theirs) : -1])


@pytest.mark.parametrize("layer", LAYERS)
def test_defaults_are_those_of_the_spec(layer):
    parameters = inspect.signature(layer).parameters
    spec = {f.name: f.default for f in layer.spec_class.__dataclass_fields__.values()}
    assert all(parameters[name].default == spec[name] for name in layer.option_names())


def test_temperature_needs_a_built_layer():
    with pytest.raises(ValueError, match="expected a layer that is built"):
        DyConv2D(4, 3).set_temperature(2.0)


@pytest.mark.parametrize(
    ("layer", "options", "message"),
    [
        (ODConv2D, {"filters": 0}, "filters: expected a whole number >= 1, received 0"),
        (DyConv2D, {"kernel_size": 0}, "kernel_size: expected a whole number >= 1"),
        (CondConv2D, {"strides": (1, 2, 3)}, "strides: expected a whole number or 2 of them"),
        (ODConv2D, {"groups": 4}, "groups: expected a divisor of filters=6"),
        (DyConv2D, {"padding": "causal"}, "padding: expected one of 'valid', 'same', received"),
        (ODConv2D, {"data_format": "NCHW"}, "data_format: expected one of 'channels_first'"),
        (CondConv2D, {"kernel_num": 0}, "kernel_num: expected a whole number >= 1"),
        (ODConv2D, {"reduction": 0}, "reduction: expected a number in"),
        (DyConv2D, {"head_init": "ones"}, "head_init: expected one of 'zero', 'published'"),
        (ODConv2D, {"attentions": ("taps",)}, "attentions: expected one of 'channel'"),
        (ODConv2D, {"attentions": ("channel",)}, "expected 'kernel' beside kernel_num=4"),
        (ODConv2D, {"spatial_activation": "relu"}, "spatial_activation: expected one of"),
        (ODConv2D, {"attention_sharing": 1}, "attention_sharing: expected True or False"),
        (ODConv2D, {"norm": "group"}, "norm: expected one of 'batch', 'layer', 'none'"),
        (DyConv2D, {"hidden_rule": "half"}, "hidden_rule: expected one of 'paper', 'plus_one'"),
        (DyConv2D, {"hidden_channels": 0}, "hidden_channels: expected a whole number >= 1"),
        (CondConv2D, {"router": "none"}, "router: expected one of 'own', 'shared'"),
        (CondConv2D, {"reduction": 0.5}, "reduction"),
        (ODConv2D, {"colour": "red"}, "colour"),
    ],
)
def test_wrong_options_raise_at_once(layer, options, message):
    with pytest.raises(ValueError, match=message):
        layer(**{"filters": 6, "kernel_size": 3} | options)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ({"groups": 3}, (None, 8, 8, 4), "groups: expected a divisor of in_channels=4"),
        ({}, (None, 8, 8, None), "expected a known number of channels"),
        ({}, (None, 2, 8, 4), "kernel_size: expected a kernel that fits into the padded map"),
    ],
)
def test_shapes_that_cannot_be_built(layer, options, shape, message):
    with pytest.raises(ValueError, match=message):
        layer(6, 3, **options).build(shape)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 8, 2, 4), "kernel that fits into the padded map"),
        ((2, 8, 4), r"expected ndim=4, found ndim=3.*Full shape received: \(2, 8, 4\)"),
        ((2, 8, 8, 5), r"expected axis -1 of input shape to have value 4.*\(2, 8, 8, 5\)"),
    ],
)
def test_inputs_that_do_not_fit(layer, shape, message):
    built = layer(6, 3)
    built.build((None, None, None, 4))
    with pytest.raises(ValueError, match=message):
        built(np.zeros(shape, "float32"))
