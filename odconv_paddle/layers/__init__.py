"""Layers: the dynamic convolutions and what they are made of, and layers that scale maps."""

from odconv_paddle.layers.attention import Attentions, ODAttention
from odconv_paddle.layers.build import (
    DYNAMIC,
    build_conv,
    build_layer,
    build_linear,
    build_norm,
    build_shared,
)
from odconv_paddle.layers.cbam import CBAM
from odconv_paddle.layers.cg_conv import CGConv1D, CGConv2D, CGConv3D
from odconv_paddle.layers.cond_conv import CondConv1D, CondConv2D, CondConv3D
from odconv_paddle.layers.dcd_conv import DCDConv1D, DCDConv2D, DCDConv3D
from odconv_paddle.layers.dcd_linear import DCDLinear
from odconv_paddle.layers.dy_attention import DyAttention
from odconv_paddle.layers.dy_conv import DyConv1D, DyConv2D, DyConv3D
from odconv_paddle.layers.dynamic import DynamicConv
from odconv_paddle.layers.efficient_channel_attention import EfficientChannelAttention
from odconv_paddle.layers.fd_conv import FDConv2D
from odconv_paddle.layers.functional import mixed_conv, od_conv
from odconv_paddle.layers.kernel_bank import KernelBank
from odconv_paddle.layers.kw_attention import KWAttention
from odconv_paddle.layers.kw_conv import KWConv, KWConv1D, KWConv2D, KWConv3D
from odconv_paddle.layers.kw_linear import KWLinear
from odconv_paddle.layers.norm import BatchNorm1D, BatchNorm2D, BatchNorm3D
from odconv_paddle.layers.od_conv import ODConv1D, ODConv2D, ODConv3D
from odconv_paddle.layers.recalibration import Recalibration
from odconv_paddle.layers.routing import Routing
from odconv_paddle.layers.squeeze_excitation import SqueezeExcitation
from odconv_paddle.layers.temperature import set_temperature
from odconv_paddle.layers.warehouse import WarehouseManager
from odconv_paddle.layers.we_conv import WEConv1D, WEConv2D, WEConv3D
from odconv_paddle.layers.weight_net import Reduce
from odconv_paddle.layers.weight_net_conv import WeightNetConv1D, WeightNetConv2D, WeightNetConv3D

__all__ = [
    "CBAM",
    "DYNAMIC",
    "Attentions",
    "BatchNorm1D",
    "BatchNorm2D",
    "BatchNorm3D",
    "CGConv1D",
    "CGConv2D",
    "CGConv3D",
    "CondConv1D",
    "CondConv2D",
    "CondConv3D",
    "DCDConv1D",
    "DCDConv2D",
    "DCDConv3D",
    "DCDLinear",
    "DyAttention",
    "DyConv1D",
    "DyConv2D",
    "DyConv3D",
    "DynamicConv",
    "EfficientChannelAttention",
    "FDConv2D",
    "KWAttention",
    "KWConv",
    "KWConv1D",
    "KWConv2D",
    "KWConv3D",
    "KWLinear",
    "KernelBank",
    "ODAttention",
    "ODConv1D",
    "ODConv2D",
    "ODConv3D",
    "Recalibration",
    "Reduce",
    "Routing",
    "SqueezeExcitation",
    "WEConv1D",
    "WEConv2D",
    "WEConv3D",
    "WarehouseManager",
    "WeightNetConv1D",
    "WeightNetConv2D",
    "WeightNetConv3D",
    "build_conv",
    "build_layer",
    "build_linear",
    "build_norm",
    "build_shared",
    "mixed_conv",
    "od_conv",
    "set_temperature",
]
