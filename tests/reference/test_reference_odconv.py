"""ODConv against the plain equation of the paper and against central differences."""

from dataclasses import fields

import numpy as np
import pytest

from odconv_spec import ConvSpec, ODConvSpec
from parity_tests.reference import evaluate, random_arrays

GEOMETRIES = {
    "1d": {"rank": 1, "kernel_size": 3, "padding": ((0, 2),), "stride": 2},
    "2d": {"kernel_size": (3, 2), "padding": "same", "stride": (2, 1), "bias": True},
    "2d grouped": {"kernel_size": 3, "groups": 2, "dilation": (1, 2), "padding": 1, "bias": True},
    "2d depthwise": {"kernel_size": 3, "groups": 4, "out_channels": 4, "padding": 1},
    "2d one kernel": {"kernel_size": 3, "kernel_num": 1},
    "2d one tap": {"kernel_size": 1, "stride": (1, 2)},
    "2d some attentions": {"kernel_size": 3, "attentions": ("channel", "kernel")},
    "2d no attention": {"kernel_size": 3, "attentions": (), "kernel_num": 1},
    "2d softmax over taps": {"kernel_size": (2, 3), "spatial_activation": "softmax"},
    "2d attentions of each kernel": {"kernel_size": 3, "attention_sharing": False, "groups": 2},
    "2d softmax of each kernel": {
        "kernel_size": 3,
        "attention_sharing": False,
        "spatial_activation": "softmax",
        "bias": True,
    },
    "2d layer norm": {"kernel_size": 3, "norm": "layer"},
    "2d no norm": {"kernel_size": 3, "norm": "none"},
    "3d": {"rank": 3, "kernel_size": (2, 1, 3), "padding": (1, 0, 1)},
}
SIZES = {1: (9,), 2: (5, 6), 3: (3, 4, 5)}


@pytest.fixture(params=GEOMETRIES.values(), ids=GEOMETRIES)
def spec(request) -> ODConvSpec:
    defaults = {"in_channels": 4, "out_channels": 6, "kernel_num": 3, "min_channels": 5}
    return ODConvSpec(**defaults | request.param)


def inputs(spec: ODConvSpec) -> tuple[dict, np.ndarray]:
    x = np.random.default_rng(2).standard_normal((3, spec.in_channels, *SIZES[spec.rank]))
    return random_arrays(spec.parameters(), seed=3), x


@pytest.mark.parametrize("training", [False, True])
def test_gradients(spec, training, slope, relative_error) -> None:
    arrays, x = inputs(spec)
    options = {"training": training, "temperature": 2.5}
    shape = evaluate(spec, arrays, x, **options).output.shape
    weight = np.random.default_rng(4).standard_normal(shape)
    run = evaluate(spec, arrays, x, grad_output=weight, **options)
    assert run.grads.keys() == {p.name for p in spec.parameters() if p.role.trainable}
    random = np.random.default_rng(5)
    for name, gradient in {**run.grads, "x": run.grad_input}.items():
        everything = arrays | {"x": x}

        def weighted(array, name=name, everything=everything) -> float:
            moved = everything | {name: array}
            return float((evaluate(spec, moved, moved.pop("x"), **options).output * weight).sum())

        direction = random.standard_normal(gradient.shape)
        expected = slope(weighted, everything[name], direction)
        np.testing.assert_allclose((gradient * direction).sum(), expected, rtol=1e-6, err_msg=name)


def test_the_equation_of_the_paper(spec, relative_error) -> None:
    """All four attentions on the kernels of one sample, then a static convolution."""
    arrays, x = inputs(spec)
    run = evaluate(spec, arrays, x, temperature=0.7)
    ones = (1,) * spec.rank
    for sample in range(len(x)):
        attention = {name: value[sample] for name, value in run.attentions.items()}
        taps = attention.get("spatial", np.ones(spec.kernel)).reshape(-1, 1, 1, *spec.kernel)
        kernel = arrays["weight"] * taps * attention.get("kernel", 1.0)
        if "filter" in attention:
            kernel = kernel * attention["filter"].reshape(-1, spec.out_channels, 1, *ones)
        # Channel c of group g is input g * (in // groups) + c, and serves the outputs of group g.
        shape = (spec.groups, spec.out_channels // spec.groups, *spec.kernel_shape[1:])
        grouped = kernel.reshape(-1, *shape)
        if "channel" in attention:
            grouped = grouped * attention["channel"].reshape(-1, spec.groups, 1, shape[2], *ones)
        static = ConvSpec(**{f.name: getattr(spec, f.name) for f in fields(ConvSpec)})
        own = {"weight": grouped.sum(0).reshape(spec.kernel_shape)}
        if spec.bias:
            own["bias"] = arrays["bias"]
        expected = evaluate(static, own, x[sample : sample + 1]).output
        assert relative_error(run.output[sample : sample + 1], expected) < 1e-13


def test_temperature_flattens_all_four_attentions() -> None:
    spec = ODConvSpec(in_channels=4, out_channels=6, kernel_size=3)
    arrays, x = inputs(spec)
    attentions = evaluate(spec, arrays, x, temperature=1e9).attentions
    assert set(attentions) == {"channel", "filter", "spatial", "kernel"}
    for name, attention in attentions.items():
        np.testing.assert_allclose(attention, 0.25 if name == "kernel" else 0.5, atol=1e-8)


def test_a_batch_of_one_in_training_is_as_in_inference(relative_error) -> None:
    spec = ODConvSpec(in_channels=4, out_channels=6, kernel_size=3)
    arrays, x = inputs(spec)
    training, inference = (evaluate(spec, arrays, x[:1], training=mode) for mode in (True, False))
    np.testing.assert_array_equal(training.output, inference.output)
    for name, statistic in training.statistics.items():
        np.testing.assert_array_equal(statistic, arrays[name])


def test_wrong_arrays_are_an_error() -> None:
    spec = ODConvSpec(in_channels=4, out_channels=6, kernel_size=3)
    arrays, x = inputs(spec)
    with pytest.raises(ValueError, match=r"attention\.fc\.weight"):
        evaluate(spec, {k: v for k, v in arrays.items() if k != "attention.fc.weight"}, x)
    with pytest.raises(ValueError, match="extra"):
        evaluate(spec, arrays | {"extra": x}, x)
    with pytest.raises(ValueError, match=r"weight: expected \(4, 6, 4, 3, 3\), received \(6, 4"):
        evaluate(spec, arrays | {"weight": arrays["weight"][0]}, x)
