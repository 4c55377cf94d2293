"""Backbones, and the functions that build them by name."""

from odconv_paddle.models.factory import (
    create_model,
    list_models,
    mobilenetv2_050,
    mobilenetv2_075,
    mobilenetv2_100,
    od_mobilenetv2_050,
    od_mobilenetv2_075,
    od_mobilenetv2_100,
    od_resnet18,
    od_resnet34,
    od_resnet50,
    od_resnet101,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
)
from odconv_paddle.models.mobilenetv2 import MobileNetV2
from odconv_paddle.models.resnet import ResNet

__all__ = [
    "MobileNetV2",
    "ResNet",
    "create_model",
    "list_models",
    "mobilenetv2_050",
    "mobilenetv2_075",
    "mobilenetv2_100",
    "od_mobilenetv2_050",
    "od_mobilenetv2_075",
    "od_mobilenetv2_100",
    "od_resnet18",
    "od_resnet34",
    "od_resnet50",
    "od_resnet101",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
]
