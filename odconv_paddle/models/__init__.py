"""Backbones, by name and as bodies of detectors."""

from odconv_paddle.models.factory import build_model, create_model, list_models
from odconv_paddle.models.features import Features
from odconv_paddle.models.mobilenetv2 import MobileNetV2
from odconv_paddle.models.resnet import ResNet

__all__ = ["Features", "MobileNetV2", "ResNet", "build_model", "create_model", "list_models"]
