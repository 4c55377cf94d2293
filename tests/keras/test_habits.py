"""The arguments of `keras.applications`."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import run
from small import SMALL

from odconv_keras import create_model

X = np.random.default_rng(0).random((2, 64, 64, 3), "float32")


def create(**options):
    return create_model("od_resnet18", **SMALL["od_resnet18"], **options)


@pytest.mark.parametrize(
    ("habits", "options", "shape"),
    [
        ({"classes": 7}, {"num_classes": 7}, (None, 7)),
        ({"include_top": True, "classes": 7}, {"num_classes": 7}, (None, 7)),
        ({"classes": 7, "num_classes": 7}, {"num_classes": 7}, (None, 7)),
        (
            {"include_top": False},
            {"num_classes": 0, "global_pool": ""},
            (None, None, None, 16),
        ),
        (
            {"include_top": False, "pooling": "max"},
            {"num_classes": 0, "global_pool": "max"},
            (None, 16),
        ),
        ({"include_top": False, "global_pool": "avg"}, {"num_classes": 0}, (None, 16)),
        (
            {"input_shape": (32, 64, 1), "classes": 2},
            {"in_channels": 1, "num_classes": 2},
            (None, 2),
        ),
        (
            {"input_shape": (1, 32, 64), "data_format": "channels_first"},
            {"in_channels": 1},
            (None, 1000),
        ),
    ],
)
def test_they_are_options_of_ours(habits, options, shape):
    model = create(**habits)
    assert model.spec == create(**options).spec
    assert model.output_shape == shape


def test_a_size_is_for_images_of_that_size_alone():
    model = create(include_top=False, input_shape=(64, 96, 3))
    assert model.output_shape == (None, 8, 12, 16)
    assert keras.layers.Flatten()(model.output).shape == (None, 8 * 12 * 16)
    assert type(model).from_config(model.get_config()).input_shape == (None, 64, 96, 3)
    with pytest.raises(ValueError):
        model(X)


def test_logits_by_default_and_scores_when_asked():
    model = create(classes=3)
    scores = create(classes=3, classifier_activation="softmax")
    scores.set_weights(model.get_weights())
    logits = run(model, X)
    expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(run(scores, X), expected, rtol=1e-4)
    twin = type(scores).from_config(scores.get_config())
    assert twin.get_config() == scores.get_config()
    assert scores.get_config()["classifier_activation"] == "softmax"
    scores.reset_classifier(4)
    np.testing.assert_allclose(run(scores, X).sum(-1), 1, rtol=1e-5)
    assert [weight.shape for weight in scores.weights][-1] == (4,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"num_classes": 5, "classes": 3},
            "num_classes: expected one value, .* 5 beside classes=3",
        ),
        ({"include_top": False, "classes": 3}, "received 3 beside include_top=False"),
        ({"include_top": False, "num_classes": 3}, "received 3 beside include_top=False"),
        ({"include_top": True, "num_classes": 0}, "include_top: expected False beside num_classes"),
        ({"pooling": "avg"}, "pooling: expected include_top=False beside it"),
        (
            {"include_top": False, "pooling": "max", "global_pool": "avg"},
            "global_pool: expected one value, received 'avg' beside pooling='max'",
        ),
        ({"include_top": False, "pooling": "mean"}, "global_pool: expected one of"),
        ({"weights": "imagenet"}, "weights: expected None, received 'imagenet'.*load_into"),
        (
            {"input_shape": (32, 32, 1), "in_channels": 3},
            r"input_shape: expected \(height, width, 3",
        ),
        ({"input_shape": (32, 32)}, "input_shape: expected"),
        (
            {"include_top": False, "classifier_activation": "softmax"},
            "classifier_activation: expected None without a classifier",
        ),
        ({"preprocessing": "imagenet"}, "preprocessing: expected True or False"),
    ],
)
def test_contradictions(options, message):
    with pytest.raises(ValueError, match=message):
        create(**options)
