"""In which precision a training computes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras


def policy(precision: str) -> str:
    """The dtype policy of the network; half precision keeps weights and norms in float32."""
    return precision if precision in ("float32", "float64") else f"mixed_{precision}"


@contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """Losses, metrics, optimizers and images in float64 if the network is, else in float32.

    On PyTorch `keras.ops.divide_no_nan` gives float32 for float64. Keras takes the mean of the
    losses of a batch with it, and the mean that it reports.
    """
    before = keras.config.floatx()
    if precision == "float64" and keras.backend.backend() == "jax":
        from odconv_keras.train.processes_jax import allow_float64

        allow_float64()
    keras.config.set_floatx("float64" if precision == "float64" else "float32")
    try:
        yield
    finally:
        keras.config.set_floatx(before)
