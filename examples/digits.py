"""The test digits of scikit-learn, and what the published code computed for them."""

from __future__ import annotations

from pathlib import Path

from odconv_training.digits import test_digits

__all__ = ["GOLDEN", "test_digits"]

GOLDEN = Path(__file__).parent / "odconv4x_mobilenetv2_digits.npz"
