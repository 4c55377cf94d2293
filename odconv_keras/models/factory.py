"""Models by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from odconv_keras.layers.data_format import shape_of_any_size
from odconv_keras.models.backbone import Backbone
from odconv_keras.models.features import Features
from odconv_keras.models.mobilenetv2 import MobileNetV2
from odconv_keras.models.resnet import ResNet
from odconv_spec import BackboneSpec, list_models, model_spec
from odconv_spec.feature_maps import OutIndices, check_features
from odconv_spec.plugins import row

__all__ = ["build_model", "create_model", "list_models"]

_FAMILIES: Final[Mapping[str, Callable[..., Backbone]]] = {
    "resnet": ResNet,
    "mobilenetv2": MobileNetV2,
}


def build_model(
    spec: BackboneSpec, *, data_format: str | None = None, dtype: Any = None
) -> Backbone:
    """The network that `spec` describes, built: its weights exist.

    Args:
        spec: of a network of any family.
        data_format: "channels_last" or "channels_first"; None is the setting of Keras.
        dtype: a dtype or a dtype policy such as "mixed_bfloat16".

    Returns:
        The network with random weights.

    Raises:
        ValueError: no package has a network of this family.

    Example:
        >>> build_model(model_spec("od_resnet18", num_classes=10)).num_classes
        10
    """
    model = row("odconv.keras_models", _FAMILIES, spec.family)(
        spec, data_format=data_format, dtype=dtype
    )
    model.build(shape_of_any_size(spec.in_channels, 2, model.data_format))
    return model


def create_model(
    name: str,
    *,
    data_format: str | None = None,
    dtype: Any = None,
    features_only: bool = False,
    out_indices: OutIndices = None,
    **options: Any,
) -> Backbone | Features:
    """A model by name, with random weights, for images of any size.

    Args:
        name: one of `list_models()`.
        data_format: "channels_last" or "channels_first"; None is the setting of Keras.
        dtype: a dtype or a dtype policy such as "mixed_bfloat16".
        features_only: gives `Features`, the body of a detector, instead of a classifier.
        out_indices: which maps that body gives, see `Features`.
        **options: `num_classes`, `in_channels`, `dropout`, `stages`, and those of the dynamic
            convolution that are no geometry, such as `kernel_num`, `reduction` and `head_init`.

    Returns:
        A network with random weights, which is built.

    Raises:
        ValueError: unknown name or option, or a value out of range.

    Example:
        >>> tuple(create_model("dy_resnet18", num_classes=10)(keras.ops.ones((1, 32, 32, 3))).shape)
        (1, 10)
    """
    check_features(features_only, out_indices)
    model = build_model(model_spec(name, **options), data_format=data_format, dtype=dtype)
    if not features_only:
        return model
    return Features(model, out_indices)
