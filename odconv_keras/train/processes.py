"""The processes of one training, or a single one."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import keras
import numpy as np

import odconv_training

T = TypeVar("T")
# (images, labels, count of the global batch) -> mean loss over the global batch
Train = Callable[[np.ndarray, np.ndarray, int], float]


class Processes(odconv_training.Processes):
    """This process among the `world` of one training; here the only one.

    Attributes:
        draws: which of the processes' random streams this one has.
    """

    draws = 0

    def from_first(self, value: T) -> T:
        own = np.frombuffer(pickle.dumps(value), np.uint8)
        size = int(self.total(len(own) if self.writes else 0))
        text = own if self.writes else np.zeros(size)  # (bytes,)
        shared: T = pickle.loads(self.total(text).astype(np.uint8).tobytes())
        return shared

    def synchronise(self, model: keras.Model) -> None:
        """Makes norms in training see the global batch."""

    def training(self, model: keras.Model) -> Train:
        """What does one step of a compiled model."""

        def train(images: np.ndarray, labels: np.ndarray, count: int) -> float:
            return float(model.train_on_batch(images, labels, return_dict=True)["loss"])

        return train

    def average_statistics(self, model: keras.Model) -> None:
        """Makes running statistics the mean over all processes, each of which saw its share."""

    def alone(self) -> AbstractContextManager[None]:
        """The scope of what this process computes for itself."""
        return nullcontext()

    def local(self, model: keras.Model) -> keras.Model:
        """A model with the same weights whose calls involve no other process."""
        return model
