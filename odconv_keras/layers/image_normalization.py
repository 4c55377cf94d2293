"""The images that a network takes, from those of a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from odconv_keras.layers.data_format import (
    data_format_or_default,
    shape_from_channels_last,
    shape_to_channels_last,
)
from odconv_spec.geometry import per_axis

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, in [0, 1]


@keras.saving.register_keras_serializable(package="odconv")
class ImageNormalization(keras.layers.Layer):
    """Values from 0 to 255 to those of mean 0 and deviation 1 that networks are trained on.

    It has no weights, so that a file of weights is the same with it and without.

    Takes images (batch, height, width, channels), or (batch, channels, height, width) with
    `data_format="channels_first"`, uint8 or of any other dtype.

    Args:
        mean: of each channel, where values are from 0 to 1; ImageNet's by default.
        std: deviation of each channel there.
        size: (height, width), or one number for both: the largest middle part of these proportions
            is scaled to it, bilinearly. None leaves the size as it is.
        data_format: "channels_last" or "channels_first"; None is the setting of Keras.
        **kwargs: `name` and `dtype`.

    Raises:
        ValueError: there is not one mean and one deviation for each channel, or `size` is not
            positive.

    Example:
        >>> images = keras.ops.full((2, 80, 120, 3), 255, "uint8")
        >>> y = ImageNormalization(mean=[0.5] * 3, std=[0.25] * 3, size=(64, 96))(images)
        >>> tuple(y.shape), round(float(y[0, 0, 0, 0]), 3)
        ((2, 64, 96, 3), 2.0)
    """

    def __init__(
        self,
        mean: Sequence[float] = MEAN,
        std: Sequence[float] = STD,
        size: int | Sequence[int] | None = None,
        *,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        # Whole numbers up to 255 shall reach the division as they are.
        super().__init__(autocast=False, **kwargs)
        self.mean, self.std = [float(x) for x in mean], [float(x) for x in std]
        self.size = None if size is None else per_axis("size", size, 2, 1)
        self.data_format = data_format_or_default(data_format)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Checks that there are as many numbers as channels.

        Args:
            input_shape: of the images, the batch included.

        Raises:
            ValueError: the images have other channels than `mean` or `std`.
        """
        *_, channels = shape_to_channels_last(input_shape, self.data_format)
        for name, given in (("mean", self.mean), ("std", self.std)):
            if len(given) != channels:
                raise ValueError(
                    f"{name}: expected one value for each of {channels} channels, received {given}"
                )

    def call(self, inputs: Any) -> Any:
        x = ops.cast(inputs, self.variable_dtype)
        if self.size is not None:
            x = self._resized(x)
        ones = (1, 1, 1, -1) if self.data_format == "channels_last" else (1, -1, 1, 1)
        mean, std = (
            ops.reshape(ops.convert_to_tensor(each, x.dtype), ones)
            for each in (self.mean, self.std)
        )
        return ops.cast((x / 255 - mean) / std, self.compute_dtype)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        batch, *sizes, channels = shape_to_channels_last(input_shape, self.data_format)
        shape = (batch, *(self.size or sizes), channels)
        return shape_from_channels_last(shape, self.data_format)

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("mean", "std", "size", "data_format")}
        return super().get_config() | own

    def _resized(self, x: Any) -> Any:
        return ops.image.resize(
            x,
            self.size,
            interpolation="bilinear",
            antialias=True,
            crop_to_aspect_ratio=True,
            data_format=self.data_format,
        )
