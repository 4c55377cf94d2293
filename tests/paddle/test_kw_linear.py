"""The linear layer of KernelWarehouse."""

from __future__ import annotations

from tests.kw_linear import (  # noqa: F401  # pytest finds them here
    test_a_linear_layer_of_other_widths,
    test_another_classifier_has_cells_of_its_own,
)
