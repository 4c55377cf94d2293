"""A network on classes of one's own, a new head and frozen stages."""

from __future__ import annotations

import numpy as np
import pytest

from parity_tests.reference import evaluate
from tests.frameworks.test_models import X, close, small
from weights_converter import assign, extract

FROZEN = {  # network and stage -> what its frozen arrays begin with
    ("od_resnet18", 0): ("conv1.", "bn1."),
    ("od_resnet18", 1): ("conv1.", "bn1.", "layer1."),
    ("cond_mobilenetv2_050", 0): ("features.0.", "features.1."),
}


def moved(kit, model):
    """Names of the arrays that a forward pass in training mode changes: statistics."""
    before = {name: np.array(value) for name, value in extract(model).items()}
    kit.run(model, X, training=True)
    return {
        name for name, value in extract(model).items() if not np.array_equal(value, before[name])
    }


def statistics(spec, frozen=()):
    names = (p.name for p in spec.parameters() if not p.role.trainable)
    return {name for name in names if not name.startswith(frozen)}


@pytest.mark.parametrize(("name", "stage"), FROZEN)
def test_statistics_of_frozen_stages_stay(kit, name, stage):
    spec, arrays = small(name)
    model = kit.build(spec, arrays)
    assert moved(kit, model) == statistics(spec)
    model.freeze_stages(stage)
    assert moved(kit, model) == statistics(spec, FROZEN[name, stage])
    assert kit.idle(model, X) == []  # of what trains


@pytest.mark.parametrize("stage", [-1, 3, True, 1.0, "layer1"])
def test_stages_that_do_not_exist(kit, stage):
    model = kit.build(small("od_resnet18")[0])
    with pytest.raises(ValueError, match=r"freeze_stages: expected .*1 \(layer1\).*; received"):
        model.freeze_stages(stage)


HEADS = [("od_resnet18", 3, "max"), ("cond_mobilenetv2_050", 3, None), ("dy_resnet18", 0, "")]
HEADS += [("cond_mobilenetv2_050", 0, None), ("cond_mobilenetv2_050", 7, "max")]


@pytest.mark.parametrize(("name", "classes", "pool"), HEADS)
def test_a_new_head(kit, name, classes, pool):
    spec, arrays = small(name)
    model = kit.build(spec, arrays)
    model.reset_classifier(classes, global_pool=pool)
    wanted, given = small(name, num_classes=classes, global_pool="avg" if pool is None else pool)
    assert model.spec == wanted
    assert model.num_classes == classes
    found = extract(model)
    heads = {parameter.name for parameter in wanted.head_parameters()}
    assert set(found) == set(given)
    for key in set(found) - heads:
        np.testing.assert_array_equal(found[key], arrays[key])
    assign(model, given)
    close(kit.run(model, X), evaluate(wanted, given, X).output)


@pytest.mark.parametrize("name", ["od_resnet18", "cond_mobilenetv2_050"])
def test_the_head_that_is_asked_for(kit, name):
    model = kit.build(*small(name, dropout=0.5))
    old, stored = model.get_classifier(), list(extract(model))
    model.reset_classifier(3)
    head = model.get_classifier()
    assert type(head) is type(old)
    assert head is not old
    arrays = extract(model)
    assert list(arrays) == stored
    assert {array.dtype for array in arrays.values()} == {np.dtype("float64")}
    y = kit.run(model, X)
    np.testing.assert_array_equal(y, kit.run(model, X))  # in inference it drops nothing
    assert y.shape == (4, 3)
    model.reset_classifier(0)
    assert type(model.get_classifier()).__name__ == "Identity"
    assert model.spec == small(name, num_classes=0, dropout=0.5)[0]


def test_a_head_for_a_network_without_one(kit):
    spec, arrays = small("od_resnet18", num_classes=0)
    model = kit.build(spec, arrays)
    model.reset_classifier(4)
    assert kit.run(model, X).shape == (4, 4)
    model.reset_classifier(0, "")
    with pytest.raises(ValueError, match=r"global_pool: expected 'avg' or 'max' for a classifier"):
        model.reset_classifier(4)
    assert kit.run(model, X).ndim == 4  # and nothing has changed
