"""What the tests that all frameworks share ask of this one."""

from __future__ import annotations

import kit as this_kit
import pytest

from tests.training.folders import folder  # noqa: F401  # a fixture


@pytest.fixture
def kit():
    return this_kit
