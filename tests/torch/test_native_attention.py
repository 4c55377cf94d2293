"""The attentions as one compiled operation, beside the same in float64 without it."""

from __future__ import annotations

import copy

import pytest
import torch
from helpers import random_map, randomised
from native_kit import needs_compiler
from torch.utils._python_dispatch import TorchDispatchMode

from odconv_torch import (
    CondConv2d,
    DyConv2d,
    ODConv1d,
    ODConv2d,
    ODConv3d,
    optimize_for_inference,
    set_strategy,
)

TOLERANCE = 2e-5  # of numbers that are at most one


class Calls(TorchDispatchMode):
    """How often the operation runs."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.odconv.attend.default
        return func(*args, **(kwargs or {}))


def meets_the_formula(layer, x, optimized, takes=1):
    """Compares what weighs the kernels of a layer with itself in float64, by its names."""
    exact = copy.deepcopy(layer).double().eval()
    layer = copy.deepcopy(layer).eval()
    layer = optimize_for_inference(layer) if optimized else layer
    set_strategy(layer, "native")
    with torch.no_grad(), Calls() as calls:
        found = layer.attentions(x)
    with torch.no_grad():
        expected = exact.attentions(x.double())
    assert calls.count == takes and found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name].shape == values.shape and found[name].dtype == torch.float32
        assert (found[name] - values).abs().max() <= TOLERANCE


LAYERS = {
    "od": lambda: ODConv2d(36, 41, (3, 2)),
    "one kernel": lambda: ODConv2d(36, 41, 1, kernel_num=1),
    "wide": lambda: ODConv2d(600, 700, 1),
    "softmax of taps": lambda: ODConv2d(36, 41, (3, 2), spatial_activation="softmax"),
    "of each kernel": lambda: ODConv2d(
        *(8, 6, (3, 2)), attention_sharing=False, spatial_activation="softmax"
    ),
    "some": lambda: ODConv2d(36, 41, 3, attentions=("spatial", "kernel")),
    "without a norm": lambda: ODConv2d(36, 41, 3, norm="none"),
    "a line": lambda: ODConv1d(36, 41, 3),
    "a volume": lambda: ODConv3d(6, 5, 3),
    "dy": lambda: DyConv2d(36, 41, 3),
    "dy with biases": lambda: DyConv2d(36, 41, 3, fc1_bias=True, fc2_bias=False),
    "cond": lambda: CondConv2d(36, 41, 3),
}


@needs_compiler
@pytest.mark.parametrize("optimized", [False, True])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("temperature", [1.0, 4.5])
@pytest.mark.parametrize("name", LAYERS)
def test_attentions(native_library, name, temperature, batch, optimized):
    layer = randomised(LAYERS[name]())
    layer.set_temperature(temperature)
    x = random_map(layer.spec.rank, layer.spec.in_channels, batch, torch.float32)
    meets_the_formula(layer, x, optimized)


@needs_compiler
@pytest.mark.parametrize("size", [(1, 1), (7, 7), (9, 40), (113, 112)])
@pytest.mark.parametrize("channels", [3, 16, 70])
@pytest.mark.parametrize(
    "change",
    [
        lambda x: x,
        lambda x: x.to(memory_format=torch.channels_last),
        lambda x: x.transpose(2, 3),
        lambda x: x[:1].expand(2, -1, -1, -1),
    ],
)
def test_means_of_every_map(native_library, change, channels, size):
    """Values far from zero, whose sum needs care."""
    layer = randomised(ODConv2d(channels, 5, 1))
    layer.set_temperature(10.0)  # the statistics of its norm make logits of some hundreds
    meets_the_formula(layer, change(torch.randn(2, channels, *size) + 3), optimized=False)


@needs_compiler
def test_layers_that_it_is_not_for(native_library):
    x = random_map(2, 8, 3, torch.float32)
    meets_the_formula(randomised(ODConv2d(8, 6, 3, norm="layer")), x, optimized=False, takes=0)
    meets_the_formula(randomised(ODConv2d(8, 6, 3, norm="layer")), x, optimized=True, takes=0)
    watched = randomised(ODConv2d(8, 6, 3))
    watched.attention.fc.register_forward_hook(lambda *call: None)
    meets_the_formula(watched, x, optimized=False, takes=0)


@needs_compiler
@pytest.mark.parametrize("kind", [ODConv2d, DyConv2d, CondConv2d])
def test_what_is_no_inference_takes_the_plain_path(native_library, kind):
    layer, x = randomised(kind(8, 6, 3)), random_map(2, 8, 3, torch.float32)
    set_strategy(layer, "native")
    with Calls() as calls:
        layer(x).sum().backward()
        layer.eval()(x).sum().backward()
        with torch.no_grad():
            layer(x[:0])
            with torch.autocast("cpu", torch.bfloat16):
                layer(x)
            copy.deepcopy(layer).double()(x.double())
            program = torch.export.export(layer, (x,))
            set_strategy(layer, "auto")
            layer(x)
    assert calls.count == 0 and "odconv" not in str(program.graph)


@needs_compiler
def test_a_value_that_is_no_number_spreads(native_library):
    layer, x = randomised(ODConv2d(8, 6, 3)).eval(), torch.randn(2, 8, 7, 9)
    x[1, 3, 2, 4] = float("nan")
    set_strategy(layer, "native")
    with torch.no_grad():
        for values in layer.attentions(x).values():
            assert values[0].isfinite().all() and values[1].isnan().all()


def arguments():
    """Of a call with a norm and two arrays for three heads."""
    norm = [torch.randn(5), torch.rand(5), torch.rand(5), None]
    weights = [torch.randn(7, 5, 1, 1), torch.randn(4, 5)]
    return {
        "x": torch.randn(2, 8, 7, 9),
        "squeeze": torch.randn(5, 8, 1, 1),
        "offset": torch.randn(5),
        "norm": norm,
        "eps": 1e-5,
        "weights": weights,
        "biases": [torch.randn(7), None],
        "widths": [4, 3, 4],
        "together": [2, 0, 4],
        "temperature": torch.tensor(3.0),
    }


@needs_compiler
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_operation_is_a_proper_one(native_library, layout):
    given = arguments()
    given["x"] = given["x"].to(memory_format=layout)
    torch.library.opcheck(torch.ops.odconv.attend.default, tuple(given.values()))
    found = torch.ops.odconv.attend(**given)
    assert [values.shape[1] for values in found] == [4, 3, 4]
    torch.testing.assert_close(found[0].unflatten(1, (2, 2)).sum(2), torch.ones(2, 2))


@needs_compiler
@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("x", torch.rand(2, 7, 8, 9)),
        ("x", torch.rand(2, 8)),
        ("x", torch.rand(2, 8, 0)),
        ("x", torch.rand(2, 8, 7, 9).double()),
        ("squeeze", torch.rand(5, 7)),
        ("offset", torch.rand(4)),
        ("norm", [torch.rand(5)]),
        ("norm", [torch.rand(5), torch.rand(4), None, None]),
        ("weights", [torch.rand(7, 4), torch.rand(4, 5)]),
        ("weights", [torch.rand(7, 5)]),
        ("biases", [torch.rand(6), None]),
        ("biases", [None]),
        ("widths", [5, 3, 4]),
        ("widths", [4, 3, 4, 1]),
        ("widths", [4, 3]),
        ("widths", [4, 0, 4]),
        ("together", [3, 0, 4]),
        ("together", [2, 0]),
        ("temperature", torch.ones(2)),
    ],
)
def test_wrong_arguments_are_named(native_library, name, wrong):
    with pytest.raises(RuntimeError, match=r"odconv::attend: expected"):
        torch.ops.odconv.attend(**{**arguments(), name: wrong})
