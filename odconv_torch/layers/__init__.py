"""Layers: the dynamic convolutions and what they are made of, and layers that scale maps."""

from odconv_torch.layers.attention import ODAttention
from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.build import (
    build_conv,
    build_layer,
    build_linear,
    build_norm,
    build_shared,
)
from odconv_torch.layers.cbam import CBAM
from odconv_torch.layers.cg_conv import CGConv1d, CGConv2d, CGConv3d
from odconv_torch.layers.cond_conv import CondConv1d, CondConv2d, CondConv3d
from odconv_torch.layers.dcd_conv import DCDConv1d, DCDConv2d, DCDConv3d
from odconv_torch.layers.dcd_linear import DCDLinear
from odconv_torch.layers.dy_attention import DyAttention
from odconv_torch.layers.dy_conv import DyConv1d, DyConv2d, DyConv3d
from odconv_torch.layers.dynamic import DynamicConv
from odconv_torch.layers.efficient_channel_attention import EfficientChannelAttention
from odconv_torch.layers.fd_conv import FDConv2d
from odconv_torch.layers.functional import mixed_conv, od_conv
from odconv_torch.layers.kernel_bank import KernelBank
from odconv_torch.layers.kw_attention import KWAttention
from odconv_torch.layers.kw_conv import KWConv, KWConv1d, KWConv2d, KWConv3d
from odconv_torch.layers.kw_linear import KWLinear
from odconv_torch.layers.norm import BatchNorm1d, BatchNorm2d, BatchNorm3d, LayerNorm
from odconv_torch.layers.od_conv import ODConv1d, ODConv2d, ODConv3d
from odconv_torch.layers.pointwise import Pointwise
from odconv_torch.layers.recalibration import Recalibration
from odconv_torch.layers.routing import Routing
from odconv_torch.layers.squeeze_excitation import SqueezeExcitation
from odconv_torch.layers.temperature import set_temperature
from odconv_torch.layers.warehouse import WarehouseManager
from odconv_torch.layers.we_conv import WEConv1d, WEConv2d, WEConv3d
from odconv_torch.layers.weight_net import Reduce
from odconv_torch.layers.weight_net_conv import WeightNetConv1d, WeightNetConv2d, WeightNetConv3d

__all__ = [
    "CBAM",
    "Attentions",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
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
    "DyAttention",
    "DyConv1d",
    "DyConv2d",
    "DyConv3d",
    "DynamicConv",
    "EfficientChannelAttention",
    "FDConv2d",
    "KWAttention",
    "KWConv",
    "KWConv1d",
    "KWConv2d",
    "KWConv3d",
    "KWLinear",
    "KernelBank",
    "LayerNorm",
    "ODAttention",
    "ODConv1d",
    "ODConv2d",
    "ODConv3d",
    "Pointwise",
    "Recalibration",
    "Reduce",
    "Routing",
    "SqueezeExcitation",
    "WEConv1d",
    "WEConv2d",
    "WEConv3d",
    "WarehouseManager",
    "WeightNetConv1d",
    "WeightNetConv2d",
    "WeightNetConv3d",
    "build_conv",
    "build_layer",
    "build_linear",
    "build_norm",
    "build_shared",
    "mixed_conv",
    "od_conv",
    "set_temperature",
]
