"""Backbones, and the functions that build them by name."""

from odconv_torch.models.factory import build_model, create_model, list_models
from odconv_torch.models.features import Features
from odconv_torch.models.mobilenetv2 import MobileNetV2
from odconv_torch.models.resnet import ResNet
from odconv_torch.models.shufflenetv2 import ShuffleNetV2

__all__ = [
    "Features",
    "MobileNetV2",
    "ResNet",
    "ShuffleNetV2",
    "build_model",
    "create_model",
    "list_models",
]
