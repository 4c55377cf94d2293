"""Maps of the stages of a backbone, for detectors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import channels_first, fill, numpy
from small import SMALL, small

from odconv_keras import Features, create_model

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
def test_the_maps_are_those_that_feature_info_describes(name):
    model = fill(small(name))
    x = images(2, 33, 40, 3)
    maps = [numpy(y) for y in model.forward_stages(x)]
    for y, info in zip(maps, model.feature_info, strict=True):
        assert y.shape == (2, -(-33 // info.stride), -(-40 // info.stride), info.channels)
    chosen = [numpy(y) for y in model.forward_stages(x, (2, 0))]
    np.testing.assert_array_equal(chosen[0], maps[2])
    np.testing.assert_array_equal(chosen[1], maps[0])
    if name == "dy_resnet50":
        np.testing.assert_array_equal(numpy(model.forward_features(x)), maps[-1])
        assert (maps[0] >= 0).all()  # the stem's after its ReLU


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


def test_every_parameter_trains():
    """The classifier and the stages after the last chosen map are not there."""
    name = "dy_resnet50"
    body = fill(create_model(name, features_only=True, out_indices=(1,), **SMALL[name]))
    backbone = create_model(name, **SMALL[name])
    names = {weight.path.partition("/")[2] for weight in body.trainable_weights}
    assert names == {
        path
        for path in (weight.path.partition("/")[2] for weight in backbone.trainable_weights)
        if path.startswith(("conv1", "bn1", "layer1"))
    }
    inputs = keras.Input((33, 40, 3))
    (only,) = body(inputs)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(only))
    model.compile(keras.optimizers.SGD(1.0), "mse")
    before = [numpy(weight) for weight in body.trainable_weights]
    model.train_on_batch(images(3, 33, 40, 3), np.ones((3, 16)))
    for weight, value in zip(body.trainable_weights, before, strict=True):
        assert not np.array_equal(numpy(weight), value), weight.path


def test_layers_are_shared_with_the_backbone():
    backbone = small("dy_resnet50")
    body = Features(backbone, (0, 2))
    fill(backbone)
    assert body.conv1 is backbone.conv1
    assert body.layer2 is backbone.layer2
    x = images(2, 33, 40, 3)
    # Both operation by operation: a program that XLA compiles whole rounds otherwise.
    expected = numpy(backbone.forward_stages(x, (2,))[0])
    np.testing.assert_allclose(numpy(body(x)[1]), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_config(name):
    body = Features(small(name, data_format="channels_first", dtype="mixed_bfloat16"), (1, 0))
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
    subprocess.run([sys.executable, "-c", FRESH, str(tmp_path)], cwd=ROOT, check=True)
    with np.load(tmp_path / "y.npz") as found:
        for y, expected in zip(found.values(), model.predict(x, verbose=0), strict=True):
            np.testing.assert_array_equal(y, expected)


def test_strides_4_to_32_by_default():
    body = create_model("resnet18", features_only=True, stem_channels=8)
    assert [info.name for info in body.feature_info] == ["layer1", "layer2", "layer3", "layer4"]
    assert [info.stride for info in body.feature_info] == [4, 8, 16, 32]


@pytest.mark.parametrize("indices", [(3,), (0, 7), (-1,), ()])
def test_indices_that_do_not_exist(indices):
    model = small("dy_resnet50")
    with pytest.raises(ValueError, match="out_indices: expected"):
        Features(model, indices)
    with pytest.raises(ValueError, match="out_indices: expected"):
        model.forward_stages(images(1, 32, 32, 3), indices)


def test_indices_of_a_classifier():
    with pytest.raises(ValueError, match="expected None without features_only=True"):
        create_model("resnet18", out_indices=(1, 2))
