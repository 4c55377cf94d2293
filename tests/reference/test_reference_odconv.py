"""ODConv against the published implementation's numbers and against central differences."""

from dataclasses import fields

import numpy as np
import pytest

from odconv_spec import ConvSpec, ODConvSpec
from parity_tests.golden import GoldenLayer, load_odconv, odconv_files
from parity_tests.reference import evaluate, random_arrays

TOLERANCE = 1e-12  # of the largest element

GEOMETRIES = {
    "1d": {"rank": 1, "kernel_size": 3, "padding": ((0, 2),), "stride": 2},
    "2d": {"kernel_size": (3, 2), "padding": "same", "stride": (2, 1), "bias": True},
    "2d grouped": {"kernel_size": 3, "groups": 2, "dilation": (1, 2), "padding": 1, "bias": True},
    "2d depthwise": {"kernel_size": 3, "groups": 4, "out_channels": 4, "padding": 1},
    "2d one kernel": {"kernel_size": 3, "kernel_num": 1},
    "2d one tap": {"kernel_size": 1, "stride": (1, 2)},
    "3d": {"rank": 3, "kernel_size": (2, 1, 3), "padding": (1, 0, 1)},
}
SIZES = {1: (9,), 2: (5, 6), 3: (3, 4, 5)}


@pytest.fixture(params=odconv_files())
def golden(request) -> GoldenLayer:
    return load_odconv(request.param)


@pytest.fixture(params=GEOMETRIES.values(), ids=GEOMETRIES)
def spec(request) -> ODConvSpec:
    defaults = {"in_channels": 4, "out_channels": 6, "kernel_num": 3, "min_channels": 5}
    return ODConvSpec(**defaults | request.param)


def inputs(spec: ODConvSpec) -> tuple[dict, np.ndarray]:
    x = np.random.default_rng(2).standard_normal((3, spec.in_channels, *SIZES[spec.rank]))
    return random_arrays(spec.parameters(), seed=3), x


def test_there_are_seven_golden_layers() -> None:
    assert len(odconv_files()) == 7


def test_golden_arrays_are_those_of_the_spec(golden) -> None:
    expected = {p.name: p.shape for p in golden.spec.parameters()}
    assert {name: array.shape for name, array in golden.arrays.items()} == expected


def test_golden_inference(golden, relative_error) -> None:
    run = evaluate(golden.spec, golden.arrays, golden.input, temperature=golden.temperature)
    assert relative_error(run.output, golden.output) < TOLERANCE
    assert run.attentions.keys() == golden.attentions.keys()
    for name, expected in golden.attentions.items():
        assert relative_error(run.attentions[name], expected) < TOLERANCE, name
    assert run.grad_input is None
    assert run.grads == {}


def test_golden_training(golden, relative_error) -> None:
    if golden.training is None:
        assert len(golden.input) == 1, "only a single sample may lack a pass in training mode"
        return
    run = evaluate(
        golden.spec,
        golden.arrays,
        golden.input,
        training=True,
        temperature=golden.temperature,
        grad_output=golden.training.grad_output,
    )
    assert relative_error(run.output, golden.training.output) < TOLERANCE
    assert relative_error(run.grad_input, golden.training.grad_input) < TOLERANCE
    for found, expected in (
        (run.grads, golden.training.grads),
        (run.statistics, golden.training.statistics),
    ):
        assert found.keys() == expected.keys()
        for name in expected:
            assert relative_error(found[name], expected[name]) < TOLERANCE, name


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
        kernel = arrays["weight"] * attention.get("spatial", 1.0) * attention.get("kernel", 1.0)
        if "filter" in attention:
            kernel = kernel * attention["filter"].reshape(1, -1, 1, *ones)
        # Channel c of group g is input g * (in // groups) + c, and serves the outputs of group g.
        channel = attention["channel"].reshape(spec.groups, 1, -1, *ones)
        grouped = kernel.sum(0).reshape(spec.groups, -1, *spec.kernel_shape[1:]) * channel
        static = ConvSpec(**{f.name: getattr(spec, f.name) for f in fields(ConvSpec)})
        own = {"weight": grouped.reshape(spec.kernel_shape)}
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
