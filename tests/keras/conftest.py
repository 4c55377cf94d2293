"""One backend per process, named by KERAS_BACKEND; see tests/run.py."""

from __future__ import annotations

import os

import pytest

os.environ.setdefault("JAX_ENABLE_X64", "1")  # JAX has float64 only if told before its import
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Most of the time goes into compiling small networks that then run once.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
)

import keras


@pytest.fixture
def float64():
    """Layers, models and `fit` compute in float64."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[1])
