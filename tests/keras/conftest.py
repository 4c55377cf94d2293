"""One backend per process, named by KERAS_BACKEND, see tests/run.py; data from fixed seeds."""

from __future__ import annotations

import os
import sys

import pytest

from parity_tests.keras_alone import import_keras
from parity_tests.runtimes import RUNTIMES
from tests.training.folders import folder  # noqa: F401  # a fixture

# What a backend needs is read when it is imported, so this comes before Keras.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.update({**RUNTIMES[f"keras-{os.environ['KERAS_BACKEND']}"].suite, **os.environ})
keras = import_keras()
if keras.backend.backend() != "tensorflow":
    sys.modules["tensorflow"] = None  # Keras would import it, to seed it


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(0)


@pytest.fixture
def float64():
    """Layers, models and `fit` compute in float64."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[1])


# A file runs on one backend each time, on the others in the slow run. What builds, calls, freezes,
# replaces, stores and loads is the same code of Keras on all: PyTorch, which compiles nothing, is
# the fastest there. What is compiled, trained or exported runs on TensorFlow, and what touches the
# backends most on each. tests/parity compares numbers and gradients on every backend each time.
ON_EACH = frozenset(
    (
        "test_norm.py",
        "test_train_optimizer.py",
    )
)
ON_TORCH = frozenset(
    (
        "test_attentions.py",
        "test_channel_fusion.py",
        "test_dynamic.py",
        "test_empty_batch.py",
        "test_examples.py",
        "test_excitation.py",
        "test_features.py",
        "test_from_spec.py",
        "test_from_static.py",
        "test_fuse.py",
        "test_gating.py",
        "test_golden.py",
        "test_graph.py",
        "test_habits.py",
        "test_hub.py",
        "test_kw_linear.py",
        "test_layers.py",
        "test_loading.py",
        "test_loading_heads.py",
        "test_models.py",
        "test_options.py",
        "test_padding.py",
        "test_preprocessing.py",
        "test_recalibration.py",
        "test_routing.py",
        "test_schedule.py",
        "test_sharing.py",
        "test_replace.py",
        "test_replace_left.py",
        "test_saving.py",
        "test_stored_names.py",
        "test_tools_start.py",
        "test_train_state.py",
        "test_train_tuning.py",
        "test_tuning.py",
    )
)


def is_slow(file, backend):
    """Whether the tests of a file wait for the slow run on this backend."""
    home = "torch" if file in ON_TORCH else "tensorflow"
    return file not in ON_EACH and backend != home


def pytest_collection_modifyitems(items):
    for item in items:
        if is_slow(item.path.name, keras.backend.backend()):
            item.add_marker(pytest.mark.slow)
