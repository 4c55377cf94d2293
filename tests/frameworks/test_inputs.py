"""Inputs that a dynamic convolution refuses, where a silent answer would be wrong."""

from __future__ import annotations

import numpy as np
import pytest

from odconv_spec.choice import KINDS, dynamic_kinds

SPECS = [spec for spec in dynamic_kinds() if spec.kind in KINDS]


@pytest.mark.parametrize("dtype", ["int32", "uint8"])
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_whole_numbers(kit, spec, dtype):
    """Pictures as they are read: attentions rounded to whole numbers would be zeros."""
    layer = kit.build(spec(in_channels=4, out_channels=8, kernel_size=3), dtype="float32")
    x = np.random.default_rng(0).integers(0, 256, (2, 4, 7, 8)).astype(dtype)
    with pytest.raises(ValueError, match=f"floating-point numbers, received .*{dtype}"):
        kit.run(layer, x)
    assert kit.run(layer, x.astype("float32")).shape == (2, 8, 5, 6)
