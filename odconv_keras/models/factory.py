"""Models by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import keras

from odconv_keras.layers.data_format import data_format_or_default
from odconv_keras.layers.image_normalization import ImageNormalization
from odconv_keras.models.backbone import Backbone
from odconv_keras.models.features import Features
from odconv_keras.models.habits import keras_habits
from odconv_keras.models.mobilenetv2 import MobileNetV2
from odconv_keras.models.resnet import ResNet
from odconv_keras.models.shufflenetv2 import ShuffleNetV2
from odconv_spec import BackboneSpec, list_models, model_spec
from odconv_spec.feature_maps import OutIndices, check_features
from odconv_spec.geometry import flag
from odconv_spec.plugins import row

__all__ = ["build_model", "create_model", "list_models"]

_FAMILIES: Final[Mapping[str, Callable[..., Backbone]]] = {
    "resnet": ResNet,
    "mobilenetv2": MobileNetV2,
    "shufflenetv2": ShuffleNetV2,
}


def build_model(
    spec: BackboneSpec, *, data_format: str | None = None, dtype: Any = None, **options: Any
) -> Backbone:
    """The network that `spec` describes, built: its weights exist.

    Args:
        spec: of a network of any family.
        data_format: "channels_last" or "channels_first"; None is the setting of Keras.
        dtype: a dtype or a dtype policy such as "mixed_bfloat16".
        **options: `input_shape`, `preprocessing`, `classifier_activation`, `name` and `trainable`,
            see `Backbone`.

    Returns:
        The network with random weights.

    Raises:
        ValueError: no package has a network of this family.

    Example:
        >>> build_model(model_spec("od_resnet18", num_classes=10)).num_classes
        10
    """
    family = row("odconv.keras_models", _FAMILIES, spec.family)
    return family(spec, data_format=data_format, dtype=dtype, **options)


def create_model(
    name: str,
    *,
    data_format: str | None = None,
    dtype: Any = None,
    features_only: bool = False,
    out_indices: OutIndices = None,
    preprocessing: bool | keras.layers.Layer = False,
    include_top: bool | None = None,
    weights: str | None = None,
    input_shape: Sequence[int | None] | None = None,
    pooling: str | None = None,
    classes: int | None = None,
    classifier_activation: str | None = None,
    **options: Any,
) -> Backbone | Features:
    """A model by name, with random weights, for images of any size.

    From `include_top` on the arguments are those of `keras.applications`, in our words where these
    differ: docs/tools-keras.md has a table.

    Args:
        name: one of `list_models()`.
        data_format: "channels_last" or "channels_first"; None is the setting of Keras.
        dtype: a dtype or a dtype policy such as "mixed_bfloat16".
        features_only: gives `Features`, the body of a detector, instead of a classifier.
        out_indices: which maps that body gives, see `Features`.
        preprocessing: a layer that images pass first; True is `ImageNormalization()`, so that the
            model takes uint8 images with ImageNet's mean and deviation.
        include_top: False is `num_classes=0`, and with `pooling=None` `global_pool=""`.
        weights: None, as no weights are shipped.
        input_shape: of an image, for this size alone; its channels are `in_channels`.
        pooling: `global_pool` beside `include_top=False`, "avg" or "max".
        classes: `num_classes`.
        classifier_activation: what the logits pass, such as "softmax"; None gives logits, which is
            the default here, and "softmax" in Keras.
        **options: `num_classes`, `global_pool`, `in_channels`, `dropout`, `stages`, and those of
            the dynamic convolution that are no geometry, such as `kernel_num`, `reduction` and
            `head_init`.

    Returns:
        A network with random weights, which is built.

    Raises:
        ValueError: unknown name or option, a value out of range, or two that contradict each other.

    Example:
        >>> tuple(create_model("dy_resnet18", num_classes=10)(keras.ops.ones((1, 32, 32, 3))).shape)
        (1, 10)
        >>> create_model("od_resnet18", include_top=False, input_shape=(64, 96, 3)).output_shape
        (None, 2, 3, 512)
    """
    check_features(features_only, out_indices)
    options = keras_habits(options, include_top, pooling, classes, weights)
    data_format = data_format_or_default(data_format)
    if input_shape is not None:
        options.setdefault("in_channels", input_shape[-1 if data_format == "channels_last" else 0])
    model = build_model(
        model_spec(name, **options),
        data_format=data_format,
        dtype=dtype,
        input_shape=input_shape,
        preprocessing=_preprocessing(preprocessing, data_format, dtype),
        classifier_activation=classifier_activation,
    )
    return Features(model, out_indices) if features_only else model


def _preprocessing(
    given: bool | keras.layers.Layer, data_format: str, dtype: Any
) -> keras.layers.Layer | None:
    if isinstance(given, keras.layers.Layer):
        return given
    flag("preprocessing", given)
    if not given:
        return None
    return ImageNormalization(data_format=data_format, name="preprocessing", dtype=dtype)
