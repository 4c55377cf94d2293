"""Backbones, and the function that builds them by name."""

from odconv_keras.models.factory import build_model, create_model, list_models
from odconv_keras.models.features import Features
from odconv_keras.models.mobilenetv2 import MobileNetV2
from odconv_keras.models.resnet import ResNet
from odconv_keras.models.shufflenetv2 import ShuffleNetV2

__all__ = [
    "Features",
    "MobileNetV2",
    "ResNet",
    "ShuffleNetV2",
    "build_model",
    "create_model",
    "list_models",
]
