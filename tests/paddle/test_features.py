"""The maps of a backbone's stages, for detectors."""

from __future__ import annotations

from odconv_paddle import Features, create_model
from tests.features import (  # noqa: F401  # pytest finds them here
    test_a_backbone_gives_the_chosen_maps,
    test_a_backbone_gives_the_map_behind_its_stages,
    test_a_body_gives_the_chosen_maps,
    test_a_body_has_the_layers_of_the_backbone_that_it_needs,
    test_a_body_with_the_map_behind_freezes_its_stages,
    test_create_model_gives_a_body,
    test_every_parameter_of_a_body_learns,
    test_every_parameter_of_a_body_with_the_map_behind_learns,
    test_indices_of_a_classifier,
    test_maps_that_do_not_exist,
    test_the_maps_are_those_of_the_reference,
    test_the_temperature_of_a_body,
)

SMALL = {"stages": [[4, 1], [6, 2], [8, 1]], "stem_channels": 4, "num_classes": 3}


def test_arrays_have_the_names_of_the_network():
    """So that its checkpoints fit."""
    model = create_model("od_resnet50", **SMALL)
    body = Features(create_model("od_resnet50", **SMALL), (0, 2))
    assert set(body.state_dict()) < set(model.state_dict())
    missing, _ = body.set_state_dict(model.state_dict())
    assert missing == []
    assert not hasattr(body, "layer3")
