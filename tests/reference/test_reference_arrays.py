"""Random arrays must let no mistake hide."""

import numpy as np
import pytest

from odconv_spec import Parameter, Role, model_spec
from parity_tests.reference import random_arrays

SPEC = model_spec("od_mobilenetv2_050", kernel_num=2, num_classes=10)


def test_names_shapes_and_dtype() -> None:
    arrays = random_arrays(SPEC.parameters(), seed=0, dtype=np.float32)
    assert {name: array.shape for name, array in arrays.items()} == {
        p.name: p.shape for p in SPEC.parameters()
    }
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}


def test_the_seed_decides_and_the_dtype_only_rounds() -> None:
    first, again = (random_arrays(SPEC.parameters(), seed=5) for _ in range(2))
    rounded = random_arrays(SPEC.parameters(), seed=5, dtype=np.float32)
    other = random_arrays(SPEC.parameters(), seed=6)
    for name, array in first.items():
        np.testing.assert_array_equal(array, again[name])
        np.testing.assert_array_equal(array.astype(np.float32), rounded[name])
        assert (array != other[name]).any()


def test_no_array_has_a_value_that_a_mistake_could_hide_behind() -> None:
    for parameter in SPEC.parameters():
        array = random_arrays([parameter], seed=1)[parameter.name]
        assert np.unique(array).size == array.size
        assert (array != 0).all()
        if parameter.role in (Role.NORM_VARIANCE, Role.NORM_SCALE):
            assert array.min() >= 0.5


# What indices name is known elsewhere: they are drawn there.
@pytest.mark.parametrize("role", [role for role in Role if role is not Role.INDICES])
def test_every_role_is_drawn(role) -> None:
    assert random_arrays([Parameter("a", role, (5, 4, 3, 2))], seed=1)["a"].std() > 0
