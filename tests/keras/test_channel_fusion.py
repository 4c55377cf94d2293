"""Layers with dynamic channel fusion."""

from __future__ import annotations

from tests.channel_fusion import (  # noqa: F401  # pytest finds them here
    test_a_classifier_of_one_sample_trains_on_running_statistics,
    test_a_classifier_of_other_widths,
    test_a_norm_is_folded_in,
    test_another_classifier,
    test_every_array_trains_in_a_network,
    test_every_form_starts_as_the_static_convolution,
    test_it_starts_as_the_static_convolution,
    test_linear_layers_start_small_in_mobilenetv2_only,
    test_static_convolutions_are_replaced,
    test_the_published_start_is_no_static_convolution,
)
