"""A new head, frozen stages and frozen norms, and what `fit` does of them."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import fill, numpy
from small import small

from odconv_keras import Features, freeze_norms

X = np.random.default_rng(0).random((4, 33, 40, 3), "float32")
Y = np.array([0, 1, 2, 3])
USUAL = ("od_resnet18", "cond_mobilenetv2_050")


def fitted(model):
    """Paths of the weights that one compiled step changes."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss)
    before = [numpy(weight) for weight in model.weights]
    model.fit(X, Y, batch_size=4, verbose=0)
    pairs = zip(model.weights, before, strict=True)
    return {weight.path for weight, value in pairs if not np.array_equal(numpy(weight), value)}


def temperatures(paths):
    return {path for path in paths if path.endswith("/temperature")}


@pytest.mark.parametrize("name", USUAL)
def test_a_step_leaves_what_is_frozen(name):
    model = fill(small(name, head_init="published"))
    model.freeze_stages(1)
    frozen = {w.path for layer in model.layers for w in layer.weights if not layer.trainable}
    assert any("moving" in path and "attention" in path for path in frozen) == ("od" in name)
    assert any("routing" in path for path in frozen) == ("cond" in name)
    every = {weight.path for weight in model.weights}
    assert fitted(model) == every - frozen - temperatures(every)


def test_a_step_leaves_the_statistics_of_frozen_norms():
    model = fill(small("od_resnet18", head_init="published"))
    freeze_norms(model)
    every = {weight.path for weight in model.weights}
    norms = {
        path for path in every if path.split("/")[-2] in ("bn", "bn1", "bn2") or "gamma" in path
    }
    norms |= {path for path in every if path.endswith(("beta", "mean", "variance"))}
    assert fitted(model) == every - norms - temperatures(every)


def test_a_new_head_is_compiled_and_trained():
    model = fill(small("od_resnet18"))
    fitted(model)
    model.freeze_stages(2)
    model.reset_classifier(6)
    assert not model.compiled
    assert model.output_shape == (None, 6)
    assert not any(layer.trainable for layer in model.by_path().values() if "layer" in layer.name)
    heads = {weight.path for weight in model.get_classifier().weights}
    assert len(heads) == 2
    assert fitted(model) == heads


@pytest.mark.parametrize("maps", [(0, 1), (1,)])
def test_a_frozen_body(maps):
    body = Features(small("cond_mobilenetv2_050"), maps)
    body.freeze_stages(0)
    frozen = [layer.name for layer in body.by_path().values() if not layer.trainable]
    assert frozen == ["features_0", "features_1"]
    with pytest.raises(ValueError, match="freeze_stages: expected"):
        body.freeze_stages(2)
