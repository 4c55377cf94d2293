"""Models by name."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import Any

from odconv_keras.layers.data_format import shape_from_channels_last
from odconv_keras.models.backbone import Backbone
from odconv_keras.models.mobilenetv2 import MobileNetV2
from odconv_keras.models.resnet import ResNet
from odconv_spec import BackboneSpec, list_models, model_spec

__all__ = ["build_model", "create_model", "list_models"]

_FAMILIES = MappingProxyType({"resnet": ResNet, "mobilenetv2": MobileNetV2})


def build_model(
    spec: BackboneSpec, *, data_format: str | None = None, dtype: Any = None
) -> Backbone:
    """The network that `spec` describes, built: its weights exist."""
    model = _FAMILIES[spec.family](spec, data_format=data_format, dtype=dtype)
    shape = (None, None, None, spec.in_channels)  # (batch, height, width, channels)
    model.build(shape_from_channels_last(shape, model.data_format))
    return model


def create_model(
    name: str, *, data_format: str | None = None, dtype: Any = None, **options: Any
) -> Backbone:
    """A model by name, with random weights, for images of any size.

    Args:
        name: one of `list_models()`.
        data_format: "channels_last" or "channels_first"; None is the setting of Keras.
        dtype: a dtype or a dtype policy such as "mixed_bfloat16".
        **options: `num_classes`, `in_channels`, `dropout`, `stages`, and for ODConv models
            `kernel_num`, `reduction`, `min_channels`, `head_init`.

    Raises:
        ValueError: unknown name or option, or a value out of range.
    """
    return build_model(model_spec(name, **options), data_format=data_format, dtype=dtype)


resnet18 = partial(create_model, "resnet18")
resnet34 = partial(create_model, "resnet34")
resnet50 = partial(create_model, "resnet50")
resnet101 = partial(create_model, "resnet101")
mobilenetv2_050 = partial(create_model, "mobilenetv2_050")
mobilenetv2_075 = partial(create_model, "mobilenetv2_075")
mobilenetv2_100 = partial(create_model, "mobilenetv2_100")
od_resnet18 = partial(create_model, "od_resnet18")
od_resnet34 = partial(create_model, "od_resnet34")
od_resnet50 = partial(create_model, "od_resnet50")
od_resnet101 = partial(create_model, "od_resnet101")
od_mobilenetv2_050 = partial(create_model, "od_mobilenetv2_050")
od_mobilenetv2_075 = partial(create_model, "od_mobilenetv2_075")
od_mobilenetv2_100 = partial(create_model, "od_mobilenetv2_100")
