"""Layers: the dynamic convolutions and what they are made of, and layers that scale maps."""

from odconv_keras.layers.attention import Attentions, ODAttention
from odconv_keras.layers.build import build_conv, build_layer, build_shared
from odconv_keras.layers.build_static import build_linear, build_norm, build_routing
from odconv_keras.layers.cbam import CBAM
from odconv_keras.layers.cg_conv import CGConv1D, CGConv2D, CGConv3D
from odconv_keras.layers.chain import Chain
from odconv_keras.layers.cond_conv import CondConv1D, CondConv2D, CondConv3D
from odconv_keras.layers.dcd_conv import DCDConv1D, DCDConv2D, DCDConv3D
from odconv_keras.layers.dcd_linear import DCDLinear
from odconv_keras.layers.dy_attention import DyAttention
from odconv_keras.layers.dy_conv import DyConv1D, DyConv2D, DyConv3D
from odconv_keras.layers.dynamic import DynamicConv
from odconv_keras.layers.efficient_channel_attention import EfficientChannelAttention
from odconv_keras.layers.fd_conv import FDConv2D
from odconv_keras.layers.functional import mixed_conv, od_conv
from odconv_keras.layers.image_normalization import ImageNormalization
from odconv_keras.layers.kernel_bank import KernelBank
from odconv_keras.layers.kw_attention import KWAttention
from odconv_keras.layers.kw_conv import KWConv, KWConv1D, KWConv2D, KWConv3D
from odconv_keras.layers.kw_linear import KWLinear
from odconv_keras.layers.norm import BatchNormalization, LayerNormalization
from odconv_keras.layers.od_conv import ODConv1D, ODConv2D, ODConv3D
from odconv_keras.layers.pointwise import Pointwise
from odconv_keras.layers.recalibration import Recalibration
from odconv_keras.layers.recording import recording
from odconv_keras.layers.routing import Routing
from odconv_keras.layers.squeeze_excitation import SqueezeExcitation
from odconv_keras.layers.static_conv import StaticConv1D, StaticConv2D, StaticConv3D
from odconv_keras.layers.temperature import set_temperature
from odconv_keras.layers.warehouse import Warehouse
from odconv_keras.layers.we_conv import WEConv1D, WEConv2D, WEConv3D
from odconv_keras.layers.weight_net import Reduce
from odconv_keras.layers.weight_net_conv import WeightNetConv1D, WeightNetConv2D, WeightNetConv3D

__all__ = [
    "CBAM",
    "Attentions",
    "BatchNormalization",
    "CGConv1D",
    "CGConv2D",
    "CGConv3D",
    "Chain",
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
    "ImageNormalization",
    "KWAttention",
    "KWConv",
    "KWConv1D",
    "KWConv2D",
    "KWConv3D",
    "KWLinear",
    "KernelBank",
    "LayerNormalization",
    "ODAttention",
    "ODConv1D",
    "ODConv2D",
    "ODConv3D",
    "Pointwise",
    "Recalibration",
    "Reduce",
    "Routing",
    "SqueezeExcitation",
    "StaticConv1D",
    "StaticConv2D",
    "StaticConv3D",
    "WEConv1D",
    "WEConv2D",
    "WEConv3D",
    "Warehouse",
    "WeightNetConv1D",
    "WeightNetConv2D",
    "WeightNetConv3D",
    "build_conv",
    "build_layer",
    "build_linear",
    "build_norm",
    "build_routing",
    "build_shared",
    "mixed_conv",
    "od_conv",
    "recording",
    "set_temperature",
]
