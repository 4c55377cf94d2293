"""Layers that take the compiled operation, where a compiler can make it."""

from __future__ import annotations

import copy
import os
import shutil
from dataclasses import fields

import pytest

from odconv_torch import set_strategy
from odconv_torch.layers.forms.cost_model import Costs

# Only arithmetic counts, of which this form is said to have the fastest: every layer takes it.
ARITHMETIC = {"conv": 2.0, "grouped": 1.0, "sample": 1.0, "product": 1.0}
ALWAYS = Costs(**{field.name: ARITHMETIC.get(field.name, 0.0) for field in fields(Costs)})
COMPILER = os.environ.get("CXX", "c++")
needs_compiler = pytest.mark.skipif(
    shutil.which(COMPILER) is None, reason=f"no C++ compiler {COMPILER} on this machine"
)


def forced(layer):
    """A copy that takes the operation wherever it can."""
    layer = copy.deepcopy(layer).eval()
    set_strategy(layer, "native", inference=ALWAYS, training=ALWAYS)
    return layer
