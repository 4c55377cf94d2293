"""Backbones, and the functions that build them by name."""

from odconv_torch.models.factory import build_model, create_model, list_models
from odconv_torch.models.features import Features
from odconv_torch.models.mobilenetv2 import MobileNetV2
from odconv_torch.models.resnet import ResNet

__all__ = ["Features", "MobileNetV2", "ResNet", "build_model", "create_model", "list_models"]
