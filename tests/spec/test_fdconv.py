"""What the spec of FDConv says of its arrays, and of widths that it cannot have."""

from __future__ import annotations

import numpy as np
import pytest

from odconv_spec import (
    FDConvSpec,
    FrequencyOrderSpec,
    UnexplainedError,
    frequency_order,
    model_spec,
)
from odconv_spec.site import Site


def shapes_of(spec):
    return {parameter.name: parameter.shape for parameter in spec.parameters()}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"in_channels": 7}, "in_channels: expected an even number.*received 7; .*6 and 8"),
        ({"out_channels": 1}, "out_channels: expected 2 or more, received 1; the nearest is 2"),
        ({"kernel_size": 5}, r"kernel_size: .*received \(5, 5\); the nearest is 3"),
        ({"kernel_size": (1, 3)}, r"kernel_size: .*received \(1, 3\); the nearest is 3"),
        ({"groups": 2}, "groups: expected 1"),
        ({"kernel_num": 7}, "divisor of the 240 frequencies.*received 7; the nearest is 6"),
        ({"kernel_num": 1}, "kernel_num: expected a whole number >= 2, received 1"),
        ({"param_ratio": 0}, "param_ratio: expected a whole number >= 1, received 0"),
        ({"temperature": 0}, "temperature: expected a number"),
        ({"rank": 1}, "rank: expected 2 spatial axes for FDConv, received 1"),
    ],
)
def test_what_it_cannot_have(options, message):
    with pytest.raises(ValueError, match=message):
        FDConvSpec(**{"in_channels": 6, "out_channels": 8, "kernel_size": 3, **options})


def test_a_rank_without_a_layer():
    with pytest.raises(ValueError, match="rank: expected 2 for FDConv, received 3"):
        FDConvSpec.of_rank(("FDConv2d",), 3)


def test_a_norm_cannot_be_folded():
    spec = FDConvSpec(in_channels=6, out_channels=8, kernel_size=3)
    with pytest.raises(ValueError, match="groups of frequencies"):
        spec.fused(8)


@pytest.mark.parametrize(
    ("taps", "widths", "part", "taken"),
    [
        (3, (64, 64), "block", True),
        (1, (18, 17), "block", True),
        (3, (64, 16), "block", False),
        (5, (64, 64), "block", False),
        (1, (64, 64), "shortcut", False),
        (7, (64, 64), "stem", False),
    ],
)
def test_places(taps, widths, part, taken):
    geometry = {"in_channels": widths[0], "out_channels": widths[1], "kernel_size": taps}
    assert FDConvSpec.takes(Site("resnet", part), geometry) is taken


@pytest.mark.parametrize(
    ("name", "more"),
    [("resnet18", 569_200), ("resnet50", 3_647_120), ("resnet101", 7_499_218)],
)
def test_parameters_beside_those_of_the_static_network(name, more):
    found = model_spec(f"fdconv_{name}").trainable_count()
    assert found - model_spec(name).trainable_count() == more


def test_the_order_is_from_the_lowest_frequency_and_has_each_once():
    spec = FrequencyOrderSpec(plane=(24, 18), kernel_num=4, param_ratio=2)
    order = frequency_order(np, spec)
    assert order.shape == spec.shape == (2, 2, 4, 60)
    assert order.dtype == np.int64
    np.testing.assert_array_equal(order[0], order[1])
    row, column = order[0].reshape(2, -1)
    distance = np.hypot(np.minimum(row, 24 - row) / 24, column / 18)
    assert (np.diff(distance) > -1e-7).all()
    assert len({*zip(row, column, strict=True)}) == 240
    # Of equals, the first of the flat spectrum comes first, which float64 would not see alike.
    ties = np.diff(row * 10 + column)[np.diff(distance.astype("f4")) == 0]
    assert (ties > 0).mean() > 0.9


def test_an_order_that_a_file_lacks_is_made():
    spec = FDConvSpec(in_channels=6, out_channels=8, kernel_size=3, param_ratio=2)
    shapes = shapes_of(spec)
    assert FDConvSpec.unsaved(shapes) == {}
    shape = shapes.pop("frequency_order.indices")
    ((name, made),) = FDConvSpec.unsaved(shapes).items()
    assert (name, made[0]) == ("frequency_order.indices", shape)
    np.testing.assert_array_equal(made[1](np), frequency_order(np, spec.order()))
    assert FDConvSpec.unsaved(shapes | {"dft_weight": (2, 24, 11, 2)}) == {}


def test_options_are_those_of_the_arrays():
    options = {"kernel_num": 6, "param_ratio": 2, "reduction": 0.5}
    spec = FDConvSpec(in_channels=40, out_channels=6, kernel_size=1, bias=True, **options)
    assert FDConvSpec.from_arrays(shapes_of(spec)) == spec


def test_a_kernel_in_place_of_the_spectrum():
    shapes = shapes_of(FDConvSpec(in_channels=6, out_channels=8, kernel_size=3))
    del shapes["dft_weight"]
    with pytest.raises(UnexplainedError, match="convert_param=False"):
        FDConvSpec.from_arrays(shapes | {"weight": (8, 6, 3, 3)})
