"""Backbones, and the function that builds them by name."""

from odconv_keras.models.factory import build_model, create_model, list_models
from odconv_keras.models.features import Features
from odconv_keras.models.mobilenetv2 import MobileNetV2
from odconv_keras.models.resnet import ResNet

__all__ = ["Features", "MobileNetV2", "ResNet", "build_model", "create_model", "list_models"]
