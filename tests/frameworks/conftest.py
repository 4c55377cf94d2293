"""What every framework must do. The suite of each runs these tests behind those of its own folder:

    python -m tests.run torch -- -k hub
    python -m pytest tests/torch/kit.py tests/frameworks/test_hub.py

`kit.py` of that folder builds and runs layers and networks of a spec with NumPy arrays, channels
first, and `train_helpers.py` trains a tiny network on random images.
"""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from tests.training.folders import folder  # noqa: F401  # a fixture

if find_spec("kit") is None:
    raise pytest.UsageError(
        "tests/frameworks: expected a framework's folder, as tests/torch, before"
    )

from kit import package

collect_ignore = ["test_train_state.py"] if package.__name__ == "odconv_keras" else []


@pytest.fixture(autouse=True)
def _seed(kit):
    kit.seed(0)
