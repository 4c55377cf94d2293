"""The attentions of a network while it is called."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest

from odconv_spec import model_spec
from parity_tests.reference import evaluate, random_arrays
from tests.frameworks.test_layers import VARIANTS, maps, spec_of

X = np.random.default_rng(0).standard_normal((3, 3, 17, 20))
RESNET = {"stages": [[4, 1], [6, 1]], "stem_channels": 4, "kernel_num": 2, "num_classes": 3}
MOBILENET = {"stages": [[1, 16, 1, 1], [2, 16, 1, 2]], "kernel_num": 3, "num_classes": 3}
NETWORKS = {
    "od": model_spec("od_resnet18", **RESNET),
    "of each kernel": model_spec("od_resnet18", **RESNET, attention_sharing=False),
    "dy": model_spec("dy_resnet18", **RESNET),
    "a router for each block": model_spec("cond_mobilenetv2_050", **MOBILENET),
}


def watched(kit, model, x):
    """Path -> name -> array, as the framework has it."""
    tools = import_module(f"{kit.package.__name__}.tools")
    with tools.watch_attentions(model) as seen:
        kit.run(model.__call__, x)  # a compiled call shows no values
    return {path: {name: array(value) for name, value in found.items()} for path, found in seen}


def array(tensor):
    return np.asarray(tensor.detach() if hasattr(tensor, "detach") else tensor)


def same(found, expected):
    """Equal numbers in equal order; frameworks have axes of one at other places."""
    assert found.keys() == expected.keys()
    for name, values in found.items():
        flat = expected[name].reshape(len(expected[name]), -1)
        np.testing.assert_allclose(values.reshape(len(values), -1), flat, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("network", NETWORKS)
def test_attentions_are_those_of_the_reference(kit, network):
    spec = NETWORKS[network]
    arrays = random_arrays(spec.parameters(), 1)
    expected = evaluate(spec, arrays, X).attentions
    found = watched(kit, kit.build(spec, arrays), X)
    for path, attentions in found.items():
        inside = [name for name in expected if name == path or name.startswith(f"{path}.")]
        assert inside
        for name in inside:  # of a block with a router each of its convolutions has the same
            same(attentions, expected.pop(name))
    assert expected == {}


@pytest.mark.parametrize("temperature", [1.0, 4.5])
@pytest.mark.parametrize(("kind", "options"), VARIANTS, ids=str)
def test_of_a_lone_layer(kit, kind, options, temperature):
    spec, x = spec_of(kind, options), maps(2)
    arrays = random_arrays(spec.parameters(), 1)
    layer = kit.build(spec, arrays)
    layer.set_temperature(temperature)
    found = watched(kit, layer, x)
    expected = evaluate(spec, arrays, x, temperature=temperature).attentions
    assert list(found) == ([""] if expected else [])
    same(found.get("", {}), expected)


def test_each_call_is_seen_and_none_afterwards(kit):
    tools = import_module(f"{kit.package.__name__}.tools")
    spec = NETWORKS["dy"]
    model = kit.build(spec, random_arrays(spec.parameters(), 1))
    with tools.watch_attentions(model) as seen:
        kit.run(model.__call__, X)
        once = len(seen)
        kit.run(model.__call__, X[:1])
    assert [len(array(one.attentions["kernel"])) for one in seen] == [3] * once + [1] * once
    kit.run(model.__call__, X)
    assert len(seen) == 2 * once
