"""Several processes of TensorFlow.

`fit` and `train_on_batch` of Keras 3 fail under `tf.distribute.MultiWorkerMirroredStrategy` when
they reduce what a step returns, and its optimizers clip the gradients of each process before they
are added. So each process keeps a model of its own, the strategy adds up losses and gradients, and
equal weights stay equal because they are updated equally.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from odconv_keras.layers import BatchNormalization
from odconv_keras.train.processes import Processes, Train
from odconv_training import TrainingError, lost


class Workers(Processes):
    """This process among those of TF_CONFIG."""

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        resolver = strategy.cluster_resolver
        super().__init__(resolver.task_id, len(resolver.cluster_spec().as_dict()["worker"]))
        self.draws = self.rank
        self._strategy = strategy
        # The sum goes to the device of what is added, and an argument itself has none.
        self._traced_total = tf.function(lambda array: _total(tf.identity(array)))
        if strategy.num_replicas_in_sync != self.world:
            raise TrainingError(
                f"expected one device for each of {self.world} processes, received "
                f"{strategy.num_replicas_in_sync}; set CUDA_VISIBLE_DEVICES for each"
            )

    def synchronise(self, model: keras.Model) -> None:
        for norm in _norms(model):
            norm._batch_statistics = partial(_global_statistics, norm)

    def training(self, model: keras.Model) -> Train:
        optimizer, weights = model.optimizer, model.trainable_variables

        def forward(images: tf.Tensor, labels: tf.Tensor, count: tf.Tensor) -> list[tf.Tensor]:
            with tf.GradientTape() as tape:
                logits = tf.cast(model(images, training=True), count.dtype)  # (batch, classes)
                loss = keras.losses.sparse_categorical_crossentropy(
                    labels, logits, from_logits=True
                )
                loss = tf.reduce_sum(loss) / count
                scaled = optimizer.scale_loss(loss)
            gradients = tape.gradient(scaled, [weight.value for weight in weights])
            return _total([loss, *gradients])

        def step(images: tf.Tensor, labels: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
            loss, *gradients = self._strategy.run(forward, (images, labels, count))
            optimizer.apply(gradients, weights)
            return loss

        @cache
        def compiled(shape: tuple[int, ...]) -> Any:
            # Sums over processes are numbered while they are traced, so that all must trace at the
            # same time: never because the share of one of them has a new size.
            dtype = keras.config.floatx()
            images, labels = tf.TensorSpec((None, *shape), dtype), tf.TensorSpec((None,), "int64")
            return tf.function(step, input_signature=(images, labels, tf.TensorSpec((), dtype)))

        def train(images: np.ndarray, labels: np.ndarray, count: int) -> float:
            number = tf.constant(count, keras.config.floatx())
            return float(compiled(images.shape[1:])(images, labels, number))

        return train

    def total(self, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        array = tf.constant(np.asarray(values, np.float64))
        return np.asarray(self._strategy.run(self._traced_total, (array,)))

    def average_statistics(self, model: keras.Model) -> None:
        norms = _norms(model)
        statistics = [s for norm in norms for s in (norm.moving_mean, norm.moving_variance)]
        if not statistics:
            return
        arrays = [statistic.numpy() for statistic in statistics]  # (channels,) each
        means = self.total(np.concatenate(arrays)) / self.world  # at once, which is much faster
        ends = np.cumsum([array.size for array in arrays])[:-1]
        for statistic, mean in zip(statistics, np.split(means, ends), strict=True):
            statistic.assign(mean)


@contextmanager
def joined() -> Iterator[Workers]:
    """Meets the other workers of TF_CONFIG; TrainingError if one of them is lost later on."""
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise TrainingError(f"cannot meet the workers of TF_CONFIG: {error.message}") from error
    workers = Workers(strategy)
    try:
        yield workers
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError) as error:
        raise lost(workers) from error


def _total(tensors: Any) -> Any:
    return tf.distribute.get_replica_context().all_reduce("SUM", tensors)


def _norms(model: keras.Model) -> Sequence[Any]:
    # Keras has no public walk over all depths.
    return [layer for layer in model._flatten_layers() if isinstance(layer, BatchNormalization)]


def _global_statistics(
    norm: BatchNormalization, x: tf.Tensor, moving_mean: tf.Tensor, moving_variance: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """`BatchNormalization._batch_statistics` over the batches of all processes."""
    axes = [axis for axis in range(len(x.shape)) if axis != norm.axis % len(x.shape)]
    own = tf.cast(tf.size(x) // tf.shape(x)[norm.axis], x.dtype)
    number, sums = _total([own, tf.reduce_sum(x, axes, keepdims=True)])
    center = sums / number
    variance = _total(tf.reduce_sum(tf.square(x - center), axes)) / number
    center = tf.squeeze(center, axes)
    # Every process has a sample, so that there is more than one value per channel.
    unbiased = variance * (number / (number - 1))
    norm.moving_mean.assign(norm._moved(moving_mean, center))
    norm.moving_variance.assign(norm._moved(moving_variance, unbiased))
    return center, variance
