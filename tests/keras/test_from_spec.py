"""Layers are made from their spec, which is checked once."""

from tests.from_spec import (  # noqa: F401  # pytest finds them here
    test_a_call_makes_and_checks_no_geometry,
    test_a_layer_is_made_from_its_spec_without_another_one,
    test_a_network_makes_no_geometry_when_it_is_called,
    test_a_spec_of_another_layer,
)
