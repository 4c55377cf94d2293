"""DyConv and CondConv against plain equations and against central differences."""

import numpy as np
import pytest

from odconv_spec import CondConvSpec, ConvSpec, DyConvSpec
from parity_tests.reference import evaluate, random_arrays
from parity_tests.reference.layers import apply_conv
from parity_tests.reference.mixtures import route
from parity_tests.reference.scope import Scope
from parity_tests.reference.tape import Value

GEOMETRY = {"in_channels": 4, "out_channels": 6, "kernel_size": (3, 2), "padding": 1}
SPECS = {
    "dy": DyConvSpec(**GEOMETRY, bias=True),
    "dy grouped, all biases": DyConvSpec(**GEOMETRY, groups=2, bias=True, fc1_bias=True),
    "dy without biases": DyConvSpec(**GEOMETRY, fc2_bias=False, kernel_num=3),
    "cond": CondConvSpec(**GEOMETRY, bias=True, kernel_num=3),
    "cond with an offset": CondConvSpec(**GEOMETRY, bias=True, mix_bias=False, kernel_num=3),
    "cond without bias": CondConvSpec(**GEOMETRY, groups=2, kernel_num=3),
}


@pytest.fixture(params=SPECS.values(), ids=SPECS)
def spec(request):
    return request.param


def inputs(spec):
    x = np.random.default_rng(2).standard_normal((3, spec.in_channels, 5, 6))
    return random_arrays(spec.parameters(), seed=3), x


def weights_by_hand(spec, arrays, x, temperature):
    pooled = x.mean((2, 3))
    if isinstance(spec, CondConvSpec):
        return 1 / (1 + np.exp(-pooled @ arrays["routing.weight"].T - arrays["routing.bias"]))
    hidden = pooled @ arrays["attention.fc1.weight"][:, :, 0, 0].T
    hidden = np.maximum(hidden + arrays.get("attention.fc1.bias", 0), 0)
    logits = hidden @ arrays["attention.fc2.weight"][:, :, 0, 0].T
    powers = np.exp((logits + arrays.get("attention.fc2.bias", 0)) / temperature)
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize("temperature", [1.0, 7.0])
def test_each_sample_has_a_static_convolution(spec, temperature, relative_error) -> None:
    arrays, x = inputs(spec)
    run = evaluate(spec, arrays, x, temperature=temperature)
    weights = weights_by_hand(spec, arrays, x, temperature)
    np.testing.assert_allclose(run.attentions["kernel"], weights, rtol=1e-12)
    static = ConvSpec(**GEOMETRY, groups=spec.groups, bias=spec.bias)
    for sample, mixing in enumerate(weights):
        own = {"weight": np.tensordot(mixing, arrays["weight"], 1)}
        if spec.bias:
            bias = arrays["bias"]
            own["bias"] = mixing @ bias if spec.mixes_biases else bias
        expected = evaluate(static, own, x[sample : sample + 1]).output
        assert relative_error(run.output[sample : sample + 1], expected) < 1e-13


@pytest.mark.parametrize("training", [False, True])
def test_gradients(spec, training, slope) -> None:
    arrays, x = inputs(spec)
    options = {"training": training, "temperature": 2.5}
    weight = np.random.default_rng(4).standard_normal(evaluate(spec, arrays, x).output.shape)
    run = evaluate(spec, arrays, x, grad_output=weight, **options)
    assert run.grads.keys() == {p.name for p in spec.parameters()}
    everything = arrays | {"x": x}
    for name, gradient in {**run.grads, "x": run.grad_input}.items():

        def weighted(array, name=name) -> float:
            moved = everything | {name: array}
            return float((evaluate(spec, moved, moved.pop("x"), **options).output * weight).sum())

        direction = np.random.default_rng(5).standard_normal(gradient.shape)
        expected = slope(weighted, everything[name], direction)
        np.testing.assert_allclose((gradient * direction).sum(), expected, rtol=1e-6, err_msg=name)


def test_temperature_evens_the_kernels_of_dyconv_and_leaves_condconv_alone() -> None:
    for name, even in (("dy", True), ("cond", False)):
        arrays, x = inputs(SPECS[name])
        hot = evaluate(SPECS[name], arrays, x, temperature=1e9).attentions["kernel"]
        cold = evaluate(SPECS[name], arrays, x).attentions["kernel"]
        assert np.allclose(hot, 0.25, atol=1e-8) == even
        assert np.allclose(hot, cold) != even


def test_a_shared_router_gives_what_an_own_one_gives() -> None:
    own = SPECS["cond"]
    shared = CondConvSpec(**GEOMETRY, bias=True, kernel_num=3, router="shared")
    arrays, x = inputs(own)
    at = Scope({name: Value(array) for name, array in arrays.items()})
    routing = route(own.routing(), Value(x), at.under("routing"))
    y = apply_conv(shared, Value(x), Scope(at.arrays, shared=routing)).data
    np.testing.assert_array_equal(y, evaluate(own, arrays, x).output)
    with pytest.raises(ValueError, match="the layer: expected what a block shares"):
        apply_conv(shared, Value(x), at)
