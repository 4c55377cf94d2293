"""The attentions of a network while it is called."""

from __future__ import annotations

import keras
import pytest

from tests.attentions import (  # noqa: F401  # pytest finds them here
    test_attentions_are_those_of_the_reference,
    test_each_call_is_seen_and_none_afterwards,
    test_of_a_lone_layer,
)


@pytest.fixture(autouse=True)
def _uncompiled():
    """The kit compiles on JAX, and a compiled call shows no values."""
    if keras.backend.backend() != "jax":
        yield
        return
    import jax

    with jax.disable_jit():
        yield
