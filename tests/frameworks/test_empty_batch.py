"""A network takes a batch without samples, as the last part of a data set may be."""

from __future__ import annotations

import numpy as np
import pytest

from odconv_spec import list_models, model_spec

RESNET = {"stages": [[8, 1], [12, 1]], "stem_channels": 8}
MOBILENET = {"stages": [[1, 16, 1, 1], [3, 24, 2, 2]]}
SMALL = {
    name: RESNET if name.endswith("resnet18") else MOBILENET
    for name in list_models()
    if name.endswith(("resnet18", "mobilenetv2_050"))
}


@pytest.mark.parametrize("name", SMALL)
def test_an_empty_batch(kit, name):
    if not kit.TAKES_EMPTY_BATCHES:
        pytest.skip("of a batch of none the framework's own convolution gives the input back")
    model = kit.build(model_spec(name, num_classes=5, **SMALL[name]), dtype="float32")
    x = np.zeros((0, 3, 32, 40), np.float32)
    assert kit.run(model, x).shape == (0, 5)
