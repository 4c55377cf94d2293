"""Maps of the stages of a backbone, for detectors."""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import channels_first, fill, numpy
from small import small

from odconv_keras import Features
from tests.processes import run_process

ROOT = Path(__file__).parents[2]
NAMES = ["dy_resnet50", "cond_mobilenetv2_050"]
FRESH = """
import sys, numpy as np, keras, odconv_keras
x = np.load(f"{sys.argv[1]}/x.npy")
model = keras.models.load_model(f"{sys.argv[1]}/body.keras")
np.savez(f"{sys.argv[1]}/y.npz", *model.predict(x, verbose=0))
"""


def images(*shape):
    return np.random.default_rng(0).random(shape, "float32")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_a_network_of_the_maps(name, data_format):
    backbone = fill(small(name, data_format=data_format))
    last = data_format == "channels_last"
    x = images(2, 33, 40, 3)
    x = x if last else channels_first(x)
    body = Features(backbone, (0, 1))
    found = body.predict(x, verbose=0)
    assert [y.shape for y in found] == body.compute_output_shape(x.shape)
    assert body.feature_info == backbone.feature_info[:2]
    expected = backbone.forward_stages(x, (0, 1))
    for y, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(y, numpy(other), rtol=1e-4, atol=1e-4)


def test_layers_are_shared_with_the_backbone():
    backbone = small("dy_resnet50")
    body = Features(backbone, (0, 2))
    fill(backbone)
    assert body.conv1 is backbone.conv1
    assert body.layer2.in_order() == backbone.layer2.in_order()
    x = images(2, 33, 40, 3)
    # Both operation by operation: a program that XLA compiles whole rounds otherwise.
    expected = numpy(backbone.forward_stages(x, (2,))[0])
    np.testing.assert_allclose(numpy(body(x)[1]), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_config(name):
    body = Features(small(name, data_format="channels_first", dtype="mixed_bfloat16"), (0, 1))
    twin = Features.from_config(body.get_config())
    assert twin.get_config() == body.get_config()
    assert [w.shape for w in twin.weights] == [w.shape for w in body.weights]
    assert twin.dtype_policy.name == "mixed_bfloat16"
    assert (twin.feature_info, twin.data_format) == (body.feature_info, "channels_first")
    clone = keras.models.clone_model(body)
    assert [w.shape for w in clone.weights] == [w.shape for w in body.weights]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_fresh_process_gives_the_same_maps(name, tmp_path):
    body = fill(Features(small(name), (0, 2)))
    inputs = keras.Input((None, None, 3))
    maps = [keras.layers.Conv2D(4, 1)(y) for y in body(inputs)]
    model = keras.Model(inputs, maps)
    x = images(2, 33, 40, 3)
    np.save(tmp_path / "x.npy", x)
    model.save(tmp_path / "body.keras")
    run_process([sys.executable, "-c", FRESH, str(tmp_path)])
    with np.load(tmp_path / "y.npz") as found:
        for y, expected in zip(found.values(), model.predict(x, verbose=0), strict=True):
            np.testing.assert_array_equal(y, expected)
