"""Context-gated convolutions."""

from __future__ import annotations

from tests.gating import (  # noqa: F401  # pytest finds them here
    test_a_norm_is_folded_into_it,
    test_a_published_start_is_no_static_convolution,
    test_inputs_of_another_shape,
    test_it_starts_as_a_static_convolution,
    test_starts_are_those_of_the_published_code,
)
