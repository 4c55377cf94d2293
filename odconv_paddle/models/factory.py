"""Models by name."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import Any

from odconv_paddle.models.backbone import Backbone
from odconv_paddle.models.mobilenetv2 import MobileNetV2
from odconv_paddle.models.resnet import ResNet
from odconv_spec import BackboneSpec, list_models, model_spec

__all__ = ["build_model", "create_model", "list_models"]

_FAMILIES = MappingProxyType({"resnet": ResNet, "mobilenetv2": MobileNetV2})


def build_model(spec: BackboneSpec) -> Backbone:
    """The network that `spec` describes."""
    return _FAMILIES[spec.family](spec)


def create_model(name: str, **options: Any) -> Backbone:
    """A model by name, with random weights of the default dtype.

    Args:
        name: one of `list_models()`.
        **options: `num_classes`, `in_channels`, `dropout`, `stages`, and for ODConv models
            `kernel_num`, `reduction`, `min_channels`, `head_init`.

    Raises:
        ValueError: unknown name or option, or a value out of range.
    """
    return build_model(model_spec(name, **options))


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
