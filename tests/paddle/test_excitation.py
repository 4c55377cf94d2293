"""Layers with weight excitation as static ones."""

from __future__ import annotations

from tests.excitation import (  # noqa: F401  # pytest finds them here
    test_a_norm_goes_into_the_static_layer,
    test_a_norm_of_other_channels,
    test_a_weight_of_zeros_stays_one,
    test_every_convolution_of_a_resnet_has_it,
    test_starts_that_would_not_keep_the_function,
    test_the_function_is_kept_for_every_geometry,
    test_the_function_is_kept_for_every_option,
    test_the_kernel_is_that_of_the_public_code,
    test_the_static_layer_computes_the_same,
)
