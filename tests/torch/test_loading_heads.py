"""Checkpoints for models with another head, and for bodies."""

from __future__ import annotations

from tests.loading_heads import (  # noqa: F401  # pytest finds them here
    test_a_body_is_found_in_a_detector,
    test_a_body_takes_a_classifier,
    test_a_file_without_a_head,
    test_a_layer_that_is_no_head_is_an_error,
    test_a_published_network_and_its_body,
    test_another_network_is_an_error,
    test_the_head_stays_and_all_else_is_loaded,
    test_two_networks_that_fit,
    test_what_has_no_head,
)
