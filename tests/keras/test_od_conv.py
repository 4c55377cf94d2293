"""The ODConv layer against the published numbers and against the NumPy reference."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import assign, channels_first, channels_last, extract, numpy, run

from odconv_keras import ODConv1D, ODConv2D, ODConv3D
from odconv_keras.layers import build_conv
from odconv_spec import ODConvSpec
from parity_tests.golden.loader import load_odconv, odconv_files
from parity_tests.reference import evaluate, random_arrays

CLASSES = (ODConv1D, ODConv2D, ODConv3D)
TRAINABLE_FILES = [name for name in odconv_files() if load_odconv(name).training]


def built(spec, arrays=None):
    """A float64 layer with the given or with random arrays."""
    layer = build_conv(spec, dtype="float64")
    layer.build((None,) * (spec.rank + 1) + (spec.in_channels,))
    assign(layer, spec.parameters(), arrays or random_arrays(spec.parameters(), seed=1))
    return layer


@pytest.mark.parametrize("name", odconv_files())
def test_golden_evaluation(name):
    golden = load_odconv(name)
    layer = built(golden.spec, golden.arrays)
    layer.set_temperature(golden.temperature)
    x = channels_last(golden.input)
    y = channels_first(run(layer, x))
    np.testing.assert_allclose(y, golden.output, rtol=1e-9, atol=1e-12)
    for kind, attention in run(layer.attention, x)._asdict().items():
        assert (attention is None) == (kind not in golden.attentions)
        if attention is not None:
            expected = golden.attentions[kind].reshape(attention.shape)
            np.testing.assert_allclose(attention, expected, rtol=1e-9)


class _Weighted(keras.losses.Loss):
    """Its gradient is the array that is given for the labels."""

    def call(self, y_true, y_pred):
        return y_true * y_pred


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", TRAINABLE_FILES)
def test_golden_training(name):
    """One compiled step of plain SGD with rate 1 takes the gradients from the arrays."""
    golden = load_odconv(name)
    after, parameters = golden.training, golden.spec.parameters()
    layer = built(golden.spec, golden.arrays)
    layer.set_temperature(golden.temperature)
    x, grad_y = channels_last(golden.input), channels_last(after.grad_output)
    model = keras.Sequential([keras.Input(x.shape[1:]), layer])
    model.compile(keras.optimizers.SGD(1.0), _Weighted(reduction="sum", dtype="float64"))
    before = extract(layer, parameters)
    loss = model.train_on_batch(x, grad_y)
    assert loss == pytest.approx((after.output * after.grad_output).sum(), rel=1e-5)
    found = extract(layer, parameters)
    for key, grad in after.grads.items():
        np.testing.assert_allclose(before[key] - found[key], grad, rtol=1e-9, atol=1e-11)
    for key, expected in after.statistics.items():
        np.testing.assert_allclose(found[key], expected, rtol=1e-9)


@pytest.mark.parametrize("name", TRAINABLE_FILES)
def test_golden_output_in_training(name):
    golden = load_odconv(name)
    layer = built(golden.spec, golden.arrays)
    layer.set_temperature(golden.temperature)
    y = channels_first(run(layer, channels_last(golden.input), training=True))
    np.testing.assert_allclose(y, golden.training.output, rtol=1e-9, atol=1e-12)


OPTIONS = [
    {},
    {"groups": 2, "stride": 2, "padding": 1, "bias": True},
    {"groups": 4, "dilation": 2, "padding": 2, "kernel_num": 1},
    {"stride": 2, "dilation": 2, "padding": 3, "kernel_num": 1, "groups": 2},
    {"kernel_size": 1, "stride": 2, "dilation": 3, "kernel_num": 1},
    {"kernel_size": 1, "groups": 2, "kernel_num": 1},
    {"padding": "same", "kernel_num": 2, "kernel_size": 2},
    {"out_channels": 4, "groups": 4, "stride": 2, "bias": True},
    {"out_channels": 4, "groups": 4, "kernel_size": 1, "kernel_num": 1},
]


@pytest.mark.parametrize(
    ("rank", "options"),
    [(rank, options) for rank in (1, 2, 3) for options in (OPTIONS if rank == 2 else OPTIONS[:4])],
    ids=str,
)
def test_each_option_against_the_reference(rank, options):
    sizes = {"in_channels": 4, "out_channels": 8, "kernel_size": 3, "rank": rank}
    spec = ODConvSpec(**sizes | options)
    x = np.random.default_rng(rank).standard_normal((3, 4, *(6, 5, 7)[:rank]))
    arrays = random_arrays(spec.parameters(), seed=1)
    y = channels_first(run(built(spec), channels_last(x)))
    np.testing.assert_allclose(y, evaluate(spec, arrays, x).output, rtol=1e-9, atol=1e-12)


def test_kernel_and_padding_of_unequal_axes():
    spec = ODConvSpec(
        in_channels=3,
        out_channels=5,
        kernel_size=(2, 3),
        stride=(1, 2),
        padding=((0, 2), (1, 0)),
        dilation=(3, 1),
    )
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 9))
    arrays = random_arrays(spec.parameters(), seed=1)
    y = channels_first(run(built(spec), channels_last(x)))
    np.testing.assert_allclose(y, evaluate(spec, arrays, x).output, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_channels_first_equals_channels_last(rank):
    options = {"padding": 1, "groups": 2, "use_bias": True, "activation": "relu", "strides": 2}
    x = np.random.default_rng(rank).standard_normal((2, *(6, 5, 7)[:rank], 4))
    last, first = (
        CLASSES[rank - 1](6, 3, data_format=f"channels_{end}", dtype="float64", **options)
        for end in ("last", "first")
    )
    last.build(x.shape)
    first.build(channels_first(x).shape)
    arrays = random_arrays(last.spec.parameters(), seed=1)
    for layer in (last, first):
        assign(layer, layer.spec.parameters(), arrays)
    y = channels_last(run(first, channels_first(x)))
    np.testing.assert_allclose(y, run(last, x), rtol=1e-12)
    assert first.compute_output_shape((None, 4, *[None] * rank)) == (None, 6, *[None] * rank)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(
    "options", [{"padding": "same", "strides": 2}, {"padding": 1, "groups": 2}], ids=str
)
def test_unknown_batch_height_and_width(data_format, options):
    layer = ODConv2D(6, 3, data_format=data_format, **options)
    last = data_format == "channels_last"
    inputs = keras.Input((None, None, 4) if last else (4, None, None))
    model = keras.Model(inputs, keras.layers.ReLU()(layer(inputs)))
    assert model.output_shape == ((None, None, None, 6) if last else (None, 6, None, None))
    for batch, height, width in ((2, 8, 7), (1, 5, 9)):
        x = np.random.default_rng(0).random((batch, height, width, 4), "float32")
        x = x if last else channels_first(x)
        y = model.predict(x, verbose=0)
        assert y.shape == layer.compute_output_shape(x.shape)
        expected = np.maximum(run(layer, x), 0)
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (4, 5)])
def test_a_batch_of_one_trains(size):
    layer = ODConv2D(5, 3, padding=1, head_init="published")
    x = np.random.default_rng(0).random((1, *size, 3), "float32")
    layer.build(x.shape)
    layer.attention.bn.moving_mean.assign([0.1] * 16)
    before = numpy(layer.attention.bn.moving_variance)
    y = numpy(layer(x, training=True))
    assert np.isfinite(y).all()
    np.testing.assert_array_equal(y, numpy(layer(x, training=False)))
    np.testing.assert_array_equal(numpy(layer.attention.bn.moving_variance), before)
    np.testing.assert_array_equal(numpy(layer.attention.bn.moving_mean), np.float32([0.1] * 16))


def test_zero_heads_start_as_a_plain_convolution():
    layer = ODConv2D(6, 3, kernel_num=3, padding="same", dtype="float64")
    x = np.random.default_rng(0).random((2, 5, 6, 4))
    y = run(layer, x)
    plain = keras.ops.conv(x, numpy(layer.kernel).mean(0), padding="same")
    np.testing.assert_allclose(y, numpy(plain) / 8, rtol=1e-9)  # three sigmoids of zero


@pytest.mark.parametrize("start", ["zero", "published"])
def test_starting_values(start):
    keras.utils.set_random_seed(0)
    layer = ODConv2D(256, 3, groups=2, kernel_num=4, head_init=start, use_bias=True)
    layer.build((None, None, None, 64))
    kernels = numpy(layer.kernel)
    for kernel in kernels:
        assert kernel.std() == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.02)
        assert np.abs(kernel).max() > 3 * kernel.std()  # not truncated
    assert not np.allclose(kernels[0], kernels[1])
    assert numpy(layer.attention.fc.kernel).std() == pytest.approx((2 / 16) ** 0.5, rel=0.1)
    head = layer.attention.filter_fc
    expected = 0 if start == "zero" else pytest.approx((2 / 256) ** 0.5, rel=0.1)
    assert numpy(head.kernel).std() == expected
    assert not numpy(head.bias).any()
    assert not numpy(layer.bias).any()


@pytest.mark.parametrize("seed", [None, 5, "generator"])
def test_a_given_initializer_draws_each_kernel_on_its_own(seed):
    seed = keras.random.SeedGenerator(5) if seed == "generator" else seed
    start = keras.initializers.HeUniform(seed)
    layer = ODConv2D(64, 3, kernel_initializer=start, kernel_num=3)
    layer.build((None, None, None, 32))
    kernels = numpy(layer.kernel)
    limit = (6 / (32 * 9)) ** 0.5
    for kernel in kernels:
        assert np.abs(kernel).max() == pytest.approx(limit, rel=0.01)
    assert not np.allclose(kernels[0], kernels[1])
    assert not np.allclose(kernels[1], kernels[2])


def test_temperature_divides_every_logit():
    spec = ODConvSpec(in_channels=4, out_channels=6, kernel_size=3, kernel_num=3)
    layer = built(spec)
    x = np.random.default_rng(0).standard_normal((2, 5, 6, 4))
    cool = run(layer.attention, x)._asdict()
    layer.set_temperature(2.0)
    warm = run(layer.attention, x)._asdict()
    for kind in ("channel", "filter", "spatial"):
        logits = [np.log(a / (1 - a)) for a in (cool[kind], warm[kind])]
        np.testing.assert_allclose(logits[0] / 2, logits[1], rtol=1e-9)
    logits = [np.diff(np.log(a)) for a in (cool["kernel"], warm["kernel"])]
    np.testing.assert_allclose(logits[0] / 2, logits[1], rtol=1e-9)


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf")])
def test_temperature_must_be_positive(wrong):
    with pytest.raises(ValueError, match="temperature: expected a positive number, received"):
        ODConv2D(4, 3).set_temperature(wrong)


def test_temperature_needs_a_built_layer():
    with pytest.raises(ValueError, match="expected a layer that is built"):
        ODConv2D(4, 3).set_temperature(2.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filters": 0}, "filters: expected a whole number >= 1, received 0"),
        ({"kernel_size": 0}, "kernel_size: expected a whole number >= 1"),
        ({"strides": (1, 2, 3)}, "strides: expected a whole number or 2 of them"),
        ({"groups": 4}, "groups: expected a divisor of filters=6"),
        ({"padding": "causal"}, "padding: expected one of 'valid', 'same', received 'causal'"),
        ({"data_format": "NCHW"}, "data_format: expected one of 'channels_first'"),
        ({"kernel_num": 0}, "kernel_num: expected a whole number >= 1"),
        ({"reduction": 0}, "reduction: expected a number in"),
        ({"head_init": "ones"}, "head_init: expected one of 'zero', 'published'"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_wrong_options_raise_at_once(options, message):
    with pytest.raises(ValueError, match=message):
        ODConv2D(**{"filters": 6, "kernel_size": 3} | options)


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ({"groups": 3}, (None, 8, 8, 4), "groups: expected a divisor of in_channels=4"),
        ({}, (None, 8, 8, None), "expected a known number of channels"),
        ({}, (None, 2, 8, 4), "kernel_size: expected a kernel that fits into the padded map"),
    ],
)
def test_wrong_inputs(options, shape, message):
    with pytest.raises(ValueError, match=message):
        ODConv2D(6, 3, **options).build(shape)


def test_a_map_that_is_too_small_after_build():
    layer = ODConv2D(6, 3)
    layer.build((None, None, None, 4))
    with pytest.raises(ValueError, match="kernel that fits into the padded map"):
        layer(np.zeros((2, 8, 2, 4), "float32"))
