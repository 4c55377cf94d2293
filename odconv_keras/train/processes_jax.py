"""Several processes of JAX, by `keras.distribution`.

Every process runs the same program on its part of global arrays, so that losses, gradients and the
statistics of norms are those of the global batch without any further doing.
"""

from __future__ import annotations

import atexit
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import keras
import numpy as np
import numpy.typing as npt
from jax.experimental import multihost_utils

from odconv_keras.models import build_model
from odconv_keras.train.processes import Processes, Train
from odconv_training import TrainingError, lost
from odconv_training.batches import IntArray
from weights_converter import ConverterError

_LOST = re.compile(r"gloo|nccl|heartbeat|coordination|connection (closed|reset)", re.IGNORECASE)
_EXIT_CODE = 2


def allow_float64() -> None:
    """Lets JAX compute in 64 bits; it reads this before its first array, and the default is 32."""
    jax.config.update("jax_enable_x64", True)


class Peers(Processes):
    """This process among those that `keras.distribution.initialize` has met."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(jax.process_index(), jax.process_count())
        self._layout = layout
        self._twin: keras.Model | None = None

    def share(self, batch: IntArray) -> IntArray:
        # JAX shards evenly or not at all: such a batch is computed by every process as a whole.
        even = len(batch) % jax.device_count() == 0
        return super().share(batch) if even else batch

    def training(self, model: keras.Model) -> Train:
        step = super().training(model)

        def train(images: np.ndarray, labels: np.ndarray, count: int) -> float:
            self._layout.whole = len(images) == count
            return step(images, labels, count)

        return train

    def total(self, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        array = np.asarray(values, np.float64)
        # As bytes, because JAX may be set to 32 bits.
        own = np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)
        gathered = np.asarray(multihost_utils.process_allgather(own))  # (world, bytes)
        rows = [np.frombuffer(row.tobytes()) for row in gathered]
        return np.sum(rows, axis=0).reshape(array.shape)

    @contextmanager
    def alone(self) -> Iterator[None]:
        keras.distribution.set_distribution(None)
        try:
            yield
        finally:
            keras.distribution.set_distribution(self._layout)

    def local(self, model: keras.Model) -> keras.Model:
        with self.alone():
            if self._twin is None:
                self._twin = build_model(
                    model.spec, data_format=model.data_format, dtype=model.dtype_policy
                )
            self._twin.set_weights(model.get_weights())
        return self._twin


class Layout(keras.distribution.DataParallel):
    """Batches over all devices, or, where `whole` is set, each of them on every device."""

    whole = False

    def get_data_layout(self, data_shape: Sequence[int]) -> Any:
        if not self.whole:
            return super().get_data_layout(data_shape)
        axes = [None] * len(data_shape)
        return keras.distribution.TensorLayout(axes, self.device_mesh)


@contextmanager
def joined() -> Iterator[Peers]:
    """Meets the other processes; TrainingError if one of them is lost later on."""
    keras.distribution.initialize()
    layout = Layout(auto_shard_dataset=False)
    peers = Peers(layout)
    try:
        with layout.scope():
            yield peers
    except Exception as error:
        # At its exit JAX waits minutes for processes that are no more, and aborts then.
        atexit.register(_leave)
        if isinstance(error, (TrainingError, ConverterError)) or not _LOST.search(str(error)):
            raise
        raise lost(peers) from error


def _leave() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_EXIT_CODE)
