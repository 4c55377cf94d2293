"""One backend per process, named by KERAS_BACKEND, see tests/run.py; data from fixed seeds."""

from __future__ import annotations

import os

import pytest

from parity_tests.runtimes import RUNTIMES

# What a backend needs is read when it is imported, so this comes before Keras.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.update({**RUNTIMES[f"keras-{os.environ['KERAS_BACKEND']}"].suite, **os.environ})

import keras
import kit as this_kit


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(0)


@pytest.fixture
def kit():
    """What the tests that all frameworks share ask of this one."""
    return this_kit


@pytest.fixture
def float64():
    """Layers, models and `fit` compute in float64."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[1])


# TensorFlow runs all files each time. The same Keras code on the other backends, where JAX compiles
# every shape anew, is for the slow run, but for what touches the backends most. tests/parity fills
# and reads models of every backend by the converter, so that its loading is not here.
ALWAYS = frozenset(
    (
        "test_golden.py",
        "test_norm.py",
        "test_routing.py",
        "test_saving.py",
        "test_train_optimizer.py",
    )
)


def pytest_collection_modifyitems(items):
    if keras.backend.backend() != "tensorflow":
        for item in items:
            if item.path.name not in ALWAYS:
                item.add_marker(pytest.mark.slow)
