"""The spectrum of a kernel, its groups of frequencies, and the kernels that samples make of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from odconv_keras.layers.spec_config import spec_from_config, spec_to_config
from odconv_spec import FDConvSpec
from odconv_spec.frequencies import FrequencyOrderSpec, frequency_order


@keras.saving.register_keras_serializable(package="odconv")
class FrequencyOrder(keras.layers.Layer):
    """Which frequencies each group has: `indices`, (param_ratio, 2, kernel_num, frequencies).

    A model that was trained with another order, as that of the published code may be, keeps it.

    Args:
        spec: of the order.
        **kwargs: `name`, `dtype` and `trainable`.

    Example:
        >>> layer = FrequencyOrder(FrequencyOrderSpec(plane=(2, 2), kernel_num=2))
        >>> layer.build()
        >>> keras.ops.convert_to_numpy(layer.groups()).tolist()
        [[0, 1, 1, 0]]
    """

    indices: Any

    def __init__(self, spec: FrequencyOrderSpec, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)  # half precision has no transform
        self.spec = spec

    def build(self, input_shape: Sequence[int | None] | None = None) -> None:
        order = frequency_order(np, self.spec)
        self.indices = self.add_weight(
            name="indices",
            shape=self.spec.shape,
            dtype="int32",  # JAX has no larger ones, by default
            initializer=lambda shape, dtype: ops.convert_to_tensor(order, dtype),
            trainable=False,
            autocast=False,
        )
        self.built = True

    def groups(self) -> Any:
        """The group of every coefficient of each spectrum, (param_ratio, rows * columns)."""
        ratio, _, count, size = self.spec.shape
        places = self.indices[:, 0] * self.spec.spectrum[1] + self.indices[:, 1]
        # The place of each coefficient in the order, whose groups are of one size.
        return ops.argsort(ops.reshape(places, (ratio, count * size))) // size

    def call(self, spectra: Any, weights: Any) -> Any:
        """The plane of each sample, (batch, *plane), of the sum of its weighted spectra.

        `spectra` is (param_ratio, rows, columns, 2), `weights` of their groups (batch, param_ratio
        * kernel_num).
        """
        spec, groups = self.spec, self.groups()
        real = imaginary = 0.0  # (batch, rows, columns)
        for number in range(spec.param_ratio):
            own = weights[:, number * spec.kernel_num : (number + 1) * spec.kernel_num]
            each = ops.reshape(ops.take(own, groups[number], axis=1), (-1, *spec.spectrum))
            real = real + each * spectra[number, :, :, 0]
            imaginary = imaginary + each * spectra[number, :, :, 1]
        return plane_of(real, imaginary, spec.plane)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"spec": spec_to_config(self.spec)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FrequencyOrder:
        return cls(**config | {"spec": spec_from_config(config["spec"])})


def plane_of(real: Any, imaginary: Any, size: tuple[int, int]) -> Any:
    """(batch, rows, columns) of a spectrum to (batch, *size)."""
    # Keras has no inverse transform along one axis, but that of a conjugate is the conjugate of it.
    columns = ops.swapaxes(real, -1, -2), -ops.swapaxes(imaginary, -1, -2)
    upper, lower = (ops.swapaxes(part, -1, -2) / size[0] for part in ops.fft(columns))
    return ops.irfft((upper, -lower), fft_length=size[1])


def spectrum_of(kernel: Any, spec: FDConvSpec) -> Any:
    """What a layer that starts as a convolution with `kernel` stores.

    Args:
        kernel: (*kernel, in, out).
        spec: of the layer.

    Returns:
        (rows, columns, 2)
    """
    plane = ops.reshape(ops.transpose(kernel, (3, 0, 2, 1)), spec.order().plane)
    upright = (ops.swapaxes(part, 0, 1) for part in ops.rfft(plane))
    parts = [ops.swapaxes(part, 0, 1) for part in ops.fft(tuple(upright))]
    return ops.stack(parts, axis=-1) / spec.stored_gain


class SpectrumOf(keras.initializers.Initializer):
    """The spectra of a kernel that another initializer draws.

    Args:
        initializer: of the kernel.
        spec: of the layer.
    """

    def __init__(self, initializer: Any, spec: FDConvSpec) -> None:
        self.initializer = initializer
        self.spec = spec

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        out, inputs, *taps = self.spec.kernel_shape
        dtype = keras.backend.standardize_dtype(dtype)
        exact = "float64" if dtype == "float64" else "float32"  # half precision has no transform
        kernel = ops.cast(self.initializer((*taps, inputs, out), dtype=exact), exact)
        # Copies: of one that is only seen several times, PyTorch cannot set the elements.
        return ops.cast(ops.stack([spectrum_of(kernel, self.spec)] * shape[0]), dtype)
