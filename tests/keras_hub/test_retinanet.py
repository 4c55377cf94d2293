"""RetinaNet of KerasHub on our bodies: it trains, freezes, finds boxes, and is stored."""

from __future__ import annotations

import os
import sys

import keras
import keras_hub
import numpy as np
import pytest

import odconv
from odconv_keras import TemperatureScheduler, create_model, freeze_norms, set_temperature
from parity_tests.reference import random_arrays
from tests.processes import run_process
from weights_converter import assign, extract

# Heads that start as published let gradients reach what weighs the kernels.
OPTIONS = {"kernel_num": 2, "head_init": "published", "features_only": True}
BODIES = {
    "od_resnet18": {"stages": [[8, 1], [8, 1], [12, 1], [16, 1]], "stem_channels": 8},
    "od_mobilenetv2_050": {  # with the map behind its stages, as the published detectors
        "stages": [[1, 8, 1, 1], [3, 8, 1, 2], [3, 8, 1, 2], [3, 12, 1, 2], [3, 16, 1, 2]],
        "out_indices": (1, 2, 3, 5),
    },
}
OTHER = {"tensorflow": "torch", "torch": "tensorflow", "jax": "torch"}
OPEN = """
import sys
import keras, keras_hub, numpy as np, odconv_keras
folder = sys.argv[1]
detector = keras.models.load_model(f"{folder}/detector.keras")
found = detector(np.load(f"{folder}/images.npy"))
np.savez(f"{folder}/found.npz", **{k: keras.ops.convert_to_numpy(v) for k, v in found.items()})
"""


def body_of(name):
    """A body with random arrays, statistics of batch norms included."""
    body = create_model(name, **OPTIONS | BODIES[name])
    known = extract(body)
    arrays = random_arrays(body.spec.parameters(), 1)
    assign(body, {key: arrays[key].astype("float32") for key in known})
    return body


def detector_on(body, **options):
    pyramid = keras_hub.models.RetinaNetBackbone(body, min_level=3, max_level=6, use_p5=False)
    detector = keras_hub.models.RetinaNetObjectDetector(
        pyramid,
        num_classes=3,
        bounding_box_format="xyxy",
        pre_logits_num_conv_layers=1,
        **options,
    )
    detector.compile(keras.optimizers.SGD(1e-3))
    return detector


def images(count=2):
    return np.random.default_rng(0).random((count, 64, 96, 3), "float32")  # (batch, h, w, 3)


def objects():
    """Of two images: one has one object, the other two; -1 fills up."""
    boxes = [[[4, 4, 40, 44], [-1, -1, -1, -1]], [[10, 8, 50, 60], [30, 20, 90, 60]]]
    return {"boxes": np.array(boxes, "float32"), "labels": np.array([[0, -1], [2, 1]], "float32")}


def arrays_of(weights):
    return [np.array(keras.ops.convert_to_numpy(weight)) for weight in weights]


def numbers(outputs):
    return {name: keras.ops.convert_to_numpy(value) for name, value in outputs.items()}


@pytest.mark.parametrize("name", BODIES)
def test_a_step_trains_every_array_of_the_body(name):
    body = body_of(name)
    detector = detector_on(body)
    before = arrays_of(body.trainable_weights)
    history = detector.fit(images(), objects(), batch_size=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    pairs = zip(body.trainable_weights, before, arrays_of(body.trainable_weights), strict=True)
    assert [weight.path for weight, old, new in pairs if np.array_equal(old, new)] == []


def test_the_pyramid_stands_on_the_maps_of_the_body():
    body = body_of("od_mobilenetv2_050")
    detector = detector_on(body)
    extractor = detector.backbone.get_layer("backbone")
    found = extractor(images())
    assert list(found) == ["P3", "P4", "P5"]
    for value, expected in zip(found.values(), body(images())[1:], strict=True):
        np.testing.assert_allclose(*map(keras.ops.convert_to_numpy, (value, expected)), rtol=1e-6)
    assert found["P5"].shape[-1] == body.feature_info[-1].channels == 1280


def test_frozen_stages_and_norms_stay():
    body = body_of("od_resnet18")
    body.freeze_stages(1)
    freeze_norms(body)
    detector = detector_on(body)
    before = extract(body)
    detector.fit(images(), objects(), batch_size=2, verbose=0)
    after = extract(body)
    moved = {name for name in after if not np.array_equal(after[name], before[name])}
    stay = {
        p.name
        for p in body.spec.parameters()
        if p.name.startswith(("conv1", "bn1", "layer1")) or p.role.name.startswith("NORM")
    }
    assert moved == before.keys() - stay


def test_the_temperature_is_that_of_the_body():
    body = body_of("od_resnet18")
    detector = detector_on(body)
    schedule = TemperatureScheduler(steps=20)
    detector.fit(images(), objects(), batch_size=2, verbose=0, callbacks=[schedule])
    (temperature,) = {float(array) for array in arrays_of(body.weights) if array.ndim == 0}
    assert 20 < temperature <= 30
    warm = numbers(detector(images()))
    set_temperature(detector, 1.0)
    cold = numbers(detector(images()))
    assert not np.allclose(warm["cls_logits"], cold["cls_logits"])


def test_boxes_are_found():
    detector = detector_on(
        body_of("od_resnet18"),
        prediction_decoder=keras_hub.layers.NonMaxSuppression(
            "xyxy", from_logits=True, confidence_threshold=0.0, max_detections=7
        ),
    )
    found = detector.predict(images(), verbose=0)
    assert {name: value.shape for name, value in found.items()} == {
        "boxes": (2, 7, 4),
        "confidence": (2, 7),
        "labels": (2, 7),
        "num_detections": (2,),
    }
    assert (found["num_detections"] == 7).all()


@pytest.mark.parametrize("name", BODIES)
def test_a_file_opens_here_and_on_another_backend(name, tmp_path):
    detector = detector_on(body_of(name))
    set_temperature(detector, 3.0)
    detector.save(tmp_path / "detector.keras")
    expected = numbers(detector(images()))
    again = keras.models.load_model(tmp_path / "detector.keras")
    for output, value in numbers(again(images())).items():
        np.testing.assert_array_equal(value, expected[output])
    np.save(tmp_path / "images.npy", images())
    other = os.environ | {"KERAS_BACKEND": OTHER[keras.backend.backend()]}
    run = [sys.executable, "-c", OPEN, str(tmp_path)]
    run_process(run, env=other)
    with np.load(tmp_path / "found.npz") as found:
        assert set(found) == set(expected)
        for output, value in found.items():
            scale = np.abs(expected[output]).max()
            np.testing.assert_allclose(value, expected[output], rtol=0, atol=1e-5 * scale)


def test_the_body_of_a_file_of_the_detector_converts(tmp_path):
    body = body_of("od_resnet18")
    detector_on(body).save(tmp_path / "detector.keras")
    again = keras.models.load_model(tmp_path / "detector.keras")
    again.backbone.image_encoder.save(tmp_path / "body.keras")
    odconv.convert(tmp_path / "body.keras", tmp_path / "body.safetensors")
    fresh = create_model("od_resnet18", **OPTIONS | BODIES["od_resnet18"])
    odconv.load_into(fresh, tmp_path / "body.safetensors")
    found, expected = extract(fresh), extract(body)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[key], expected[key]) for key in found)
