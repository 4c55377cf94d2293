"""Dynamic convolutions and the backbones built on them, for PyTorch.

Every layer and network goes through `torch.compile(fullgraph=True)` and `torch.export`, as one
program for all batch sizes. TorchScript is not supported: torch deprecates it, and `torch.export`
is what takes its place.
"""

from odconv_spec.extras import missing

try:
    import torch  # noqa: F401  # first, so that its lack is said in one sentence
except ModuleNotFoundError as error:
    raise missing(error, "odconv_torch", "'odconv[torch]'") from error

from odconv_spec.version import __version__
from odconv_torch.hub import from_pretrained
from odconv_torch.layers import (
    CBAM,
    BatchNorm2d,
    CGConv1d,
    CGConv2d,
    CGConv3d,
    CondConv1d,
    CondConv2d,
    CondConv3d,
    DCDConv1d,
    DCDConv2d,
    DCDConv3d,
    DCDLinear,
    DyConv1d,
    DyConv2d,
    DyConv3d,
    EfficientChannelAttention,
    FDConv2d,
    KWConv1d,
    KWConv2d,
    KWConv3d,
    KWLinear,
    ODConv1d,
    ODConv2d,
    ODConv3d,
    Reduce,
    Routing,
    SqueezeExcitation,
    WarehouseManager,
    WEConv1d,
    WEConv2d,
    WEConv3d,
    WeightNetConv1d,
    WeightNetConv2d,
    WeightNetConv3d,
    set_temperature,
)
from odconv_torch.models import (
    Features,
    MobileNetV2,
    ResNet,
    ShuffleNetV2,
    create_model,
    list_models,
)
from odconv_torch.tools import (
    Replaced,
    Replacement,
    TemperatureLR,
    TemperatureScheduler,
    freeze_norms,
    fuse,
    optimize_for_inference,
    replace_convs,
    set_strategy,
    watch_attentions,
)

__all__ = [
    "CBAM",
    "BatchNorm2d",
    "CGConv1d",
    "CGConv2d",
    "CGConv3d",
    "CondConv1d",
    "CondConv2d",
    "CondConv3d",
    "DCDConv1d",
    "DCDConv2d",
    "DCDConv3d",
    "DCDLinear",
    "DyConv1d",
    "DyConv2d",
    "DyConv3d",
    "EfficientChannelAttention",
    "FDConv2d",
    "Features",
    "KWConv1d",
    "KWConv2d",
    "KWConv3d",
    "KWLinear",
    "MobileNetV2",
    "ODConv1d",
    "ODConv2d",
    "ODConv3d",
    "Reduce",
    "Replaced",
    "Replacement",
    "ResNet",
    "Routing",
    "ShuffleNetV2",
    "SqueezeExcitation",
    "TemperatureLR",
    "TemperatureScheduler",
    "WEConv1d",
    "WEConv2d",
    "WEConv3d",
    "WarehouseManager",
    "WeightNetConv1d",
    "WeightNetConv2d",
    "WeightNetConv3d",
    "__version__",
    "create_model",
    "freeze_norms",
    "from_pretrained",
    "fuse",
    "list_models",
    "optimize_for_inference",
    "replace_convs",
    "set_strategy",
    "set_temperature",
    "watch_attentions",
]
