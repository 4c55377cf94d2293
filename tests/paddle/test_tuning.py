"""A network on classes of one's own: what all frameworks do, and what only Paddle has."""

from __future__ import annotations

import copy
from itertools import product

import numpy as np
import paddle
import pytest
from paddle import nn
from paddle.static import InputSpec

from odconv_paddle import Features, create_model, freeze_norms
from tests.quick import quick_rows

RESNET = {"stages": [[8, 1], [12, 1]], "stem_channels": 8, "num_classes": 5}
MOBILENET = {"stages": [[1, 16, 1, 1], [3, 24, 2, 2]], "num_classes": 5}
SMALL = {"od_resnet18": RESNET, "cond_mobilenetv2_050": MOBILENET}
STEM = ("conv1.", "bn1.", "layer1.")


def small(name="od_resnet18", **options):
    return create_model(name, **SMALL[name] | options)


def images(batch=2):
    return paddle.randn([batch, 3, 32, 40])


def trains(model):
    return {name for name, p in model.named_parameters() if not p.stop_gradient}


def values(model):
    return {name: np.array(value) for name, value in model.state_dict().items()}


def same(first, second):
    return {name for name, value in first.items() if np.array_equal(value, second[name])}


@pytest.mark.parametrize(  # test_to_static has graphs in pieces of layers each time
    ("name", "full_graph"),
    quick_rows([("od_resnet18", True)], product(SMALL, (True, False))),
)
def test_a_static_graph_of_a_new_head(name, full_graph):
    model, x = small(name), images()
    model.reset_classifier(3, "max")
    model.freeze_stages(0)
    model.eval()
    expected = model(x)
    unknown = [InputSpec([None, 3, None, None])] if full_graph else None
    static = paddle.jit.to_static(model, input_spec=unknown, full_graph=full_graph)
    np.testing.assert_allclose(static(x), expected, rtol=1e-5, atol=1e-6)


def test_frozen_parameters_do_not_change_and_do_not_decay():
    model = small()
    before = values(model)
    model.freeze_stages(1)
    assert not any(name.startswith(STEM) for name in trains(model))
    sgd = paddle.optimizer.Momentum(0.1, parameters=model.parameters(), weight_decay=0.1)
    net = nn.Sequential(model)  # whose `train` asks no layer inside
    net.train()
    net(images(4)).square().mean().backward()
    sgd.step()
    kept = same(before, values(model))
    assert {name for name in before if name.startswith(STEM)} <= kept
    assert "layer2.0.conv1.weight" not in kept
    assert "layer2.0.bn1._mean" not in kept
    assert "fc.weight" not in kept


def test_stages_are_thawed_again():
    model = small()
    before = trains(model)
    model.fc.weight.stop_gradient = True
    model.freeze_stages(1)
    model.freeze_stages(0)
    assert model.frozen_stages == 0
    assert before - trains(model) == {"conv1.weight", "bn1.weight", "bn1.bias", "fc.weight"}
    model.freeze_stages(None)
    assert before - trains(model) == {"fc.weight"}
    start = values(model)
    model.train()
    model(images())
    assert "bn1._mean" not in same(start, values(model))


def test_a_copy_is_thawed_by_itself():
    model = small()
    model.freeze_stages(1)
    frozen, copied = trains(model), copy.deepcopy(model)
    copied.freeze_stages(None)
    assert trains(copied) == trains(small())
    assert trains(model) == frozen


def test_a_frozen_body():
    body = Features(small(), out_indices=(1,))
    before = trains(body)
    body.freeze_stages(0)
    assert before - trains(body) == {"conv1.weight", "bn1.weight", "bn1.bias"}
    with pytest.raises(ValueError, match=r"one of 0 \(bn1\), 1 \(layer1\), or None"):
        body.freeze_stages(2)


@pytest.mark.parametrize("name", SMALL)
def test_frozen_norms(name):
    model, x = small(name), images()
    model.eval()
    expected, before, learning = model(x), values(model), trains(model)
    freeze_norms(model)
    nn.Sequential(model).train()
    np.testing.assert_allclose(model(x), expected, rtol=1e-5, atol=1e-6)
    assert same(before, values(model)) == set(before)
    assert trains(model) == learning


@pytest.mark.parametrize("name", SMALL)
def test_layer_groups(name):
    model = small(name)
    groups = model.layer_groups()
    assert [name for group in groups for name in group] == [
        name for name, p in model.named_parameters() if not p.stop_gradient
    ]
    head = model.spec.head_path
    assert all(name.startswith(head) for name in groups[-1])
    assert len(groups) == {"od_resnet18": 4, "cond_mobilenetv2_050": 6}[name]


def test_the_words_of_paddle_vision():
    assert small(num_classes=-1).spec == small(num_classes=0).spec
    assert small(with_pool=True).spec == small().spec
    model = small(num_classes=0, with_pool=False)
    assert model.spec == small(num_classes=0, global_pool="").spec
    assert model(images()).shape == [2, 12, 4, 5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"with_pool": False}, r"needs num_classes=0 beside it, received 5"),
        ({"with_pool": False, "global_pool": "max"}, r"with_pool=False: .* received 'max'"),
        ({"with_pool": True, "global_pool": "", "num_classes": 0}, r"with_pool=True: .*''"),
        ({"with_pool": 1}, "with_pool: expected True or False, received 1"),
    ],
)
def test_words_that_contradict_each_other(options, message):
    with pytest.raises(ValueError, match=message):
        small(**options)
