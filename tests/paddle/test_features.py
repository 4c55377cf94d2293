"""The maps of a backbone's stages, for detectors."""

from __future__ import annotations

from odconv_paddle import Features, create_model

SMALL = {"stages": [[4, 1], [6, 2], [8, 1]], "stem_channels": 4, "num_classes": 3}


def test_arrays_have_the_names_of_the_network():
    """So that its checkpoints fit."""
    model = create_model("od_resnet50", **SMALL)
    body = Features(create_model("od_resnet50", **SMALL), (0, 2))
    assert set(body.state_dict()) < set(model.state_dict())
    missing, _ = body.set_state_dict(model.state_dict())
    assert missing == []
    assert not hasattr(body, "layer3")
