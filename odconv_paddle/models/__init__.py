"""Backbones, by name and as bodies of detectors."""

from odconv_paddle.models.factory import build_model, create_model, list_models
from odconv_paddle.models.features import Features
from odconv_paddle.models.mobilenetv2 import MobileNetV2
from odconv_paddle.models.resnet import ResNet
from odconv_paddle.models.shufflenetv2 import ShuffleNetV2

__all__ = [
    "Features",
    "MobileNetV2",
    "ResNet",
    "ShuffleNetV2",
    "build_model",
    "create_model",
    "list_models",
]
