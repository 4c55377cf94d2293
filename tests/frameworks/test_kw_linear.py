"""The linear layer of KernelWarehouse."""

from __future__ import annotations

import numpy as np
import pytest

from odconv_spec import KWLinearSpec, model_spec
from weights_converter import extract

SMALL = {"stages": ((1, 16, 1, 1), (3, 24, 1, 2)), "width": 0.5, "config": "kw1d2x"}


@pytest.mark.parametrize("shape", [(2, 5), (2, 4, 1, 1)])
def test_a_linear_layer_of_other_widths(kit, shape):
    layer = kit.build(KWLinearSpec(4, 3))
    kit.run(layer, np.ones((2, 4)))
    with pytest.raises(ValueError, match=r"expected|incompatible"):
        kit.run(layer, np.ones(shape))


def test_another_classifier_has_cells_of_its_own(kit):
    model = kit.build(model_spec("kw_mobilenetv2_050", num_classes=5, **SMALL), dtype="float32")
    before = extract(model)
    assert before["classifier.1.conv.warehouse_manager.weights.0"].shape == (20, 5, 32, 1)
    model.reset_classifier(3)
    after = extract(model)
    assert type(model.get_classifier()).__name__ == "KWLinear"
    assert after["classifier.1.conv.warehouse_manager.weights.0"].shape == (20, 3, 32, 1)
    body = {name: array for name, array in before.items() if not name.startswith("classifier.")}
    assert all(np.array_equal(after[name], array) for name, array in body.items())
    model.reset_classifier(0)
    assert model.spec.head is None
