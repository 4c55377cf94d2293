"""Layout tables: every array's every element lands where it should, and comes back."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from odconv_spec import Parameter, Role
from weights_converter.names.layouts import (
    KERAS,
    LAYOUTS,
    PADDLE,
    TORCH,
    Placed,
    Row,
    contiguous,
)

# Square on purpose: no wrong order of axes can be told by the shape.
SQUARE = {
    Role.CONV_KERNEL: (3, 3, 3, 3),
    Role.TRANSPOSED_KERNEL: (3, 3, 3, 3),
    Role.EXPERT_KERNELS: (3, 3, 3, 3, 3),
    Role.EXPERT_BIASES: (3, 3),
    Role.LINEAR_KERNEL: (3, 3),
    Role.BIAS: (3,),
    Role.CELLS: (3, 3, 3, 3, 3),
    Role.BASIS_BIAS: (3,),
    Role.SPECTRUM: (3, 3, 3, 3),
    Role.INDICES: (3, 3),
    Role.SCALE: (3,),
    Role.NORM_SCALE: (3,),
    Role.NORM_SHIFT: (3,),
    Role.NORM_MEAN: (3,),
    Role.NORM_VARIANCE: (3,),
}


def indexed(shape):
    """Every element is another number."""
    return np.arange(np.prod(shape), dtype=np.int64).reshape(shape)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.name)
def test_there_and_back(layout, role):
    array = indexed(SQUARE[role])
    stored = layout.to_stored(role, array)
    assert stored.flags.c_contiguous
    np.testing.assert_array_equal(layout.to_canonical(role, stored), array)
    shape = tuple(range(2, 2 + array.ndim))
    assert layout.canonical_shape(role, layout.stored_shape(role, shape)) == shape


def test_every_element_of_a_keras_expert_kernel():
    array = indexed((2, 3, 4, 5, 6))  # (expert, out, in, height, width)
    stored = KERAS.to_stored(Role.EXPERT_KERNELS, array)
    assert stored.shape == (2, 5, 6, 4, 3)
    for n, o, i, h, w in np.ndindex(2, 3, 4, 5, 6):
        assert stored[n, h, w, i, o] == array[n, o, i, h, w]


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_keras_convolutions_of_every_rank_end_in_channels(rank):
    shape = (2, 3, *range(4, 4 + rank))
    assert KERAS.stored_shape(Role.CONV_KERNEL, shape) == (*shape[2:], 3, 2)
    assert KERAS.stored_shape(Role.TRANSPOSED_KERNEL, shape) == (*shape[2:], 3, 2)
    assert KERAS.stored_shape(Role.EXPERT_KERNELS, (9, *shape)) == (9, *shape[2:], 3, 2)


@pytest.mark.parametrize("layout", [PADDLE, KERAS], ids=lambda layout: layout.name)
def test_linear_kernels_are_transposed_and_1x1_kernels_of_paddle_are_not(layout):
    array = indexed((3, 3))
    np.testing.assert_array_equal(layout.to_stored(Role.LINEAR_KERNEL, array), array.T)
    kernel = indexed((3, 3, 1, 1))
    np.testing.assert_array_equal(PADDLE.to_stored(Role.CONV_KERNEL, kernel), kernel)


RANKS = {
    Role.CONV_KERNEL: (3, 4, 5),
    Role.TRANSPOSED_KERNEL: (3, 4, 5),
    Role.EXPERT_KERNELS: (4, 5, 6),
    Role.EXPERT_BIASES: (2,),
    Role.LINEAR_KERNEL: (2,),
    Role.CELLS: (3, 4, 5),
    Role.SPECTRUM: (4,),
}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.name)
def test_random_shapes_there_and_back(layout, role):
    """Lengths are below, at and above that of the slices in which arrays are copied; some are 0."""
    random = np.random.default_rng(7)
    for rank in RANKS.get(role, (1,)):
        for dtype in ("u1", "<u2", "<f4", "<f8", "<c16"):
            shape = random.choice([0, 1, 2, 3, 15, 16, 17, 33], rank, p=[0.04, *[0.96 / 7] * 7])
            array = random.integers(0, 256, shape).astype(dtype)
            row = layout.rows[role]
            stored = layout.to_stored(role, array)
            expected = np.transpose(array, row.order(rank))
            assert (stored.dtype, stored.shape) == (expected.dtype, expected.shape)
            assert stored.flags.c_contiguous and np.array_equal(stored, expected)
            back = layout.to_canonical(role, stored)
            assert back.flags.c_contiguous and np.array_equal(back, array)


@pytest.mark.parametrize("rank", range(1, 7))
def test_contiguous_in_every_order_of_the_axes(rank):
    random = np.random.default_rng(rank)
    for order in permutations(range(rank)):
        sizes = [*random.choice([1, 2, 5, 16, 18], rank)[:3], *random.choice([1, 2, 3], rank)[3:]]
        array = random.random(random.permutation(sizes), dtype="f4")
        found = contiguous(array.transpose(order))
        assert found.flags.c_contiguous and np.array_equal(found, array.transpose(order))
    array = random.random([40] + [2] * (rank - 1))
    assert contiguous(array) is array
    for apart in (array[::2], array[::-1]):
        assert contiguous(apart).flags.c_contiguous and np.array_equal(contiguous(apart), apart)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.name)
def test_zero_dimensional_arrays_stay_so(layout):
    assert layout.to_stored(Role.BIAS, np.float32(3).reshape(())).shape == ()


@pytest.mark.parametrize(
    ("role", "torch", "paddle", "keras"),
    [
        (Role.CONV_KERNEL, "a.0.b.weight", "a.0.b.weight", "a/0/b/vars/0"),
        (Role.EXPERT_KERNELS, "a.0.b.weight", "a.0.b.weight", "a/0/b/vars/0"),
        (Role.BIAS, "a.0.b.bias", "a.0.b.bias", "a/0/b/vars/1"),
        (Role.NORM_SCALE, "a.0.b.weight", "a.0.b.weight", "a/0/b/vars/0"),
        (Role.NORM_SHIFT, "a.0.b.bias", "a.0.b.bias", "a/0/b/vars/1"),
        (Role.NORM_MEAN, "a.0.b.running_mean", "a.0.b._mean", "a/0/b/vars/2"),
        (Role.NORM_VARIANCE, "a.0.b.running_var", "a.0.b._variance", "a/0/b/vars/3"),
    ],
)
def test_names(role, torch, paddle, keras):
    parameter = Parameter(torch, role, (1,))
    assert TORCH.stored_name(parameter) == torch
    assert PADDLE.stored_name(parameter) == paddle
    assert KERAS.stored_name(parameter) == keras


def test_a_lone_layers_names_have_no_owner():
    parameter = Parameter("weight", Role.EXPERT_KERNELS, (1, 1, 1, 1, 1))
    assert [layout.stored_name(parameter) for layout in LAYOUTS.values()] == [
        "weight",
        "weight",
        "vars/0",
        "kernel",
    ]


def test_a_keras_model_may_have_names_of_its_own():
    parameter = Placed("stem.weight", Role.CONV_KERNEL, (1, 1, 1, 1), "layers/conv2d/vars/0")
    assert KERAS.stored_name(parameter) == "layers/conv2d/vars/0"
    assert TORCH.stored_name(parameter) == PADDLE.stored_name(parameter) == "stem.weight"


@pytest.mark.parametrize(
    ("axes", "joined"),
    [
        ("", ((0,), (1,), (2,), (3,), (4,))),
        ("expert out in * -> expert (out in *)", ((0,), (1, 2, 3, 4))),
        ("expert out in * -> expert (* in out)", ((0,), (3, 4, 2, 1))),
        ("expert out in * -> (expert out) * in", ((0, 1), (3,), (4,), (2,))),
    ],
)
def test_axes_that_are_stored_as_one(axes, joined):
    row = Row("weight", axes)
    assert row.joined(5) == joined
    assert row.order(5) == tuple(axis for axes in joined for axis in axes)


def test_every_role_has_a_row_everywhere():
    for layout in LAYOUTS.values():
        assert set(layout.rows) == set(Role)
