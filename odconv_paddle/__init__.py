"""Dynamic convolutions and the backbones built on them, for PaddlePaddle."""

from odconv_spec.extras import missing

try:
    import paddle  # noqa: F401  # first, so that its lack is said in one sentence
except ModuleNotFoundError as error:
    raise missing(error, "odconv_paddle", "'odconv[paddle]'") from error

from odconv_paddle.hub import from_pretrained
from odconv_paddle.layers import (
    CBAM,
    BatchNorm2D,
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
    KWConv1D,
    KWConv2D,
    KWConv3D,
    ODConv1D,
    ODConv2D,
    ODConv3D,
    Routing,
    SqueezeExcitation,
    WarehouseManager,
    WEConv1D,
    WEConv2D,
    WEConv3D,
    set_temperature,
)
from odconv_paddle.models import Features, MobileNetV2, ResNet, create_model, list_models
from odconv_paddle.tools import (
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
    "BatchNorm2D",
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
    "KWConv1D",
    "KWConv2D",
    "KWConv3D",
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
    "WarehouseManager",
    "create_model",
    "freeze_norms",
    "from_pretrained",
    "fuse",
    "list_models",
    "replace_convs",
    "set_temperature",
    "watch_attentions",
]
