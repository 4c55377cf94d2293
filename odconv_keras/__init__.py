"""Dynamic convolutions and the backbones built on them, for Keras 3."""

from odconv_keras.layers import (
    BatchNormalization,
    CondConv1D,
    CondConv2D,
    CondConv3D,
    DyConv1D,
    DyConv2D,
    DyConv3D,
    LayerNormalization,
    ODConv1D,
    ODConv2D,
    ODConv3D,
    Routing,
    set_temperature,
)
from odconv_keras.models import Features, MobileNetV2, ResNet, create_model, list_models
from odconv_keras.tools import (
    Replaced,
    Replacement,
    TemperatureSchedule,
    fuse,
    replace_convs,
)

__all__ = [
    "BatchNormalization",
    "CondConv1D",
    "CondConv2D",
    "CondConv3D",
    "DyConv1D",
    "DyConv2D",
    "DyConv3D",
    "Features",
    "LayerNormalization",
    "MobileNetV2",
    "ODConv1D",
    "ODConv2D",
    "ODConv3D",
    "Replaced",
    "Replacement",
    "ResNet",
    "Routing",
    "TemperatureSchedule",
    "create_model",
    "fuse",
    "list_models",
    "replace_convs",
    "set_temperature",
]
