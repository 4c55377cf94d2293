"""Normalisation: over the batch with the running statistics of PyTorch, and of each sample.

Keras stores the biased variance of the batch and PyTorch the unbiased one. Where the attention of
ODConv normalises, a batch has one value a sample, so at a batch of two the estimates differ by 2.

With one value per channel the batch's variance says nothing, and Keras would return its offset
alone and shift the statistics. Such a batch is normalised with the running statistics here, which
stay as they are (https://github.com/OSVAI/ODConv/issues/23).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from odconv_keras.layers.precision import at_least_single, count, mean


@keras.saving.register_keras_serializable(package="odconv")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` that agrees with PyTorch's, in training as well.

    Takes the arguments of its base class without `renorm` and `synchronized`. The defaults are
    PyTorch's; a momentum of 0.9 is the weight of the old statistics, PyTorch's 0.1 of the new.

    Raises:
        ValueError: `renorm` or `synchronized` is set, or a mask is given.

    Example:
        >>> tuple(BatchNormalization()(keras.ops.ones((2, 8, 9, 6))).shape)
        (2, 8, 9, 6)
    """

    def __init__(
        self, axis: int = -1, momentum: float = 0.9, epsilon: float = 1e-5, **kwargs: Any
    ) -> None:
        for option in ("renorm", "synchronized"):
            if kwargs.get(option):
                raise ValueError(
                    f"{option}: expected False, received {kwargs[option]!r}; "
                    "keras.layers.BatchNormalization has this option"
                )
        super().__init__(axis=axis, momentum=momentum, epsilon=epsilon, **kwargs)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """The normalised map.

        Args:
            inputs: a map of any rank.
            training: whether the batch's own statistics normalise it, and change the running ones.
            mask: None; Keras' own layer takes one.

        Returns:
            A map of the same shape.

        Raises:
            ValueError: there is a mask.
        """
        if mask is not None:
            raise ValueError(f"mask: expected None, received a mask for inputs {inputs.shape}")
        x = at_least_single(inputs)
        center = ops.cast(self.moving_mean, x.dtype)
        variance = ops.cast(self.moving_variance, x.dtype)
        if training and self.trainable:
            center, variance = self._batch_statistics(x, center, variance)
        y = ops.batch_normalization(
            x,
            center,
            variance,
            axis=self.axis,
            offset=None if self.beta is None else ops.cast(self.beta, x.dtype),
            scale=None if self.gamma is None else ops.cast(self.gamma, x.dtype),
            epsilon=self.epsilon,
        )
        return ops.cast(y, self.compute_dtype)

    def _batch_statistics(self, x: Any, moving_mean: Any, moving_variance: Any) -> tuple[Any, Any]:
        """Mean and variance to normalise with, (channels,); the running ones move towards them."""
        axes = [axis for axis in range(len(x.shape)) if axis != self.axis % len(x.shape)]
        center = mean(x, axes, keepdims=True)
        # Two passes, as E[x^2] - E[x]^2 would lose the variance of data far from zero.
        variance = mean(ops.square(x - center), axes)
        center = ops.squeeze(center, axes)
        number = count(x, axes)
        # A choice in the graph, because the batch may be unknown while it is traced.
        keep = number <= 1
        unbiased = variance * (number / ops.where(keep, number, number - 1))
        self.moving_mean.assign(ops.where(keep, moving_mean, self._moved(moving_mean, center)))
        self.moving_variance.assign(
            ops.where(keep, moving_variance, self._moved(moving_variance, unbiased))
        )
        return ops.where(keep, moving_mean, center), ops.where(keep, moving_variance, variance)

    def _moved(self, running: Any, batch: Any) -> Any:
        return running * self.momentum + batch * (1 - self.momentum)


@keras.saving.register_keras_serializable(package="odconv")
class LayerNormalization(keras.layers.LayerNormalization):
    """`keras.layers.LayerNormalization` in float64 on every backend, with PyTorch's epsilon.

    Takes the arguments of its base class without `rms_scaling`.

    Raises:
        ValueError: `rms_scaling` is set.

    Example:
        >>> tuple(LayerNormalization()(keras.ops.ones((2, 8, 9, 6))).shape)
        (2, 8, 9, 6)
    """

    def __init__(self, axis: Any = -1, epsilon: float = 1e-5, **kwargs: Any) -> None:
        if kwargs.pop("rms_scaling", False):
            raise ValueError(
                "rms_scaling: expected False, received True; keras.layers.RMSNormalization has this"
            )
        super().__init__(axis=axis, epsilon=epsilon, **kwargs)

    def call(self, inputs: Any) -> Any:
        x = at_least_single(inputs)
        center = mean(x, self.axis, keepdims=True)
        variance = mean(ops.square(x - center), self.axis, keepdims=True)
        y = (x - center) * ops.rsqrt(variance + self.epsilon)
        shape = [size if axis in self._axes(x) else 1 for axis, size in enumerate(x.shape)]
        if self.gamma is not None:
            y = y * ops.reshape(ops.cast(self.gamma, x.dtype), shape)
        if self.beta is not None:
            y = y + ops.reshape(ops.cast(self.beta, x.dtype), shape)
        return ops.cast(y, self.compute_dtype)

    def _axes(self, x: Any) -> set[int]:
        return {axis % len(x.shape) for axis in self.axis}
