"""What the tests that all frameworks share ask of this one."""

from __future__ import annotations

import kit as this_kit
import pytest


@pytest.fixture
def kit():
    return this_kit
