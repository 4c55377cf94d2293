"""Models by name."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import Any

import torch

from odconv_spec import BackboneSpec, list_models, model_spec
from odconv_torch.models.backbone import Backbone
from odconv_torch.models.mobilenetv2 import MobileNetV2
from odconv_torch.models.resnet import ResNet

__all__ = ["build_model", "create_model", "list_models"]

_FAMILIES = MappingProxyType({"resnet": ResNet, "mobilenetv2": MobileNetV2})


def build_model(
    spec: BackboneSpec,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Backbone:
    """The network that `spec` describes."""
    return _FAMILIES[spec.family](spec, device, dtype)


def create_model(
    name: str,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    **options: Any,
) -> Backbone:
    """A model by name, with random weights.

    Args:
        name: one of `list_models()`.
        device: where the parameters live.
        dtype: of the parameters.
        **options: `num_classes`, `in_channels`, `dropout`, `stages`, and for ODConv models
            `kernel_num`, `reduction`, `min_channels`, `head_init`.

    Raises:
        ValueError: unknown name or option, or a value out of range.
    """
    return build_model(model_spec(name, **options), device, dtype)


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
