"""Dynamic convolutions and the backbones built on them, for Keras 3."""

from odconv_spec.extras import missing

try:
    import keras  # noqa: F401  # first, so that its lack, or its backend's, is said in one sentence
except ModuleNotFoundError as error:
    raise missing(
        error,
        "odconv_keras",
        "'odconv[tensorflow]', or 'odconv[jax]' with KERAS_BACKEND=jax, "
        "or 'odconv[keras,torch]' with KERAS_BACKEND=torch",
    ) from error

from odconv_keras.hub import from_pretrained
from odconv_keras.layers import (
    CBAM,
    BatchNormalization,
    CondConv1D,
    CondConv2D,
    CondConv3D,
    DCDConv1D,
    DCDConv2D,
    DCDConv3D,
    DCDLinear,
    DyConv1D,
    DyConv2D,
    DyConv3D,
    EfficientChannelAttention,
    ImageNormalization,
    KWConv1D,
    KWConv2D,
    KWConv3D,
    LayerNormalization,
    ODConv1D,
    ODConv2D,
    ODConv3D,
    Routing,
    SqueezeExcitation,
    Warehouse,
    WEConv1D,
    WEConv2D,
    WEConv3D,
    set_temperature,
)
from odconv_keras.models import Features, MobileNetV2, ResNet, create_model, list_models
from odconv_keras.tools import (
    Replaced,
    Replacement,
    TemperatureScheduler,
    freeze_norms,
    fuse,
    replace_convs,
    watch_attentions,
)

__all__ = [
    "CBAM",
    "BatchNormalization",
    "CondConv1D",
    "CondConv2D",
    "CondConv3D",
    "DCDConv1D",
    "DCDConv2D",
    "DCDConv3D",
    "DCDLinear",
    "DyConv1D",
    "DyConv2D",
    "DyConv3D",
    "EfficientChannelAttention",
    "Features",
    "ImageNormalization",
    "KWConv1D",
    "KWConv2D",
    "KWConv3D",
    "LayerNormalization",
    "MobileNetV2",
    "ODConv1D",
    "ODConv2D",
    "ODConv3D",
    "Replaced",
    "Replacement",
    "ResNet",
    "Routing",
    "SqueezeExcitation",
    "TemperatureScheduler",
    "WEConv1D",
    "WEConv2D",
    "WEConv3D",
    "Warehouse",
    "create_model",
    "freeze_norms",
    "from_pretrained",
    "fuse",
    "list_models",
    "replace_convs",
    "set_temperature",
    "watch_attentions",
]
