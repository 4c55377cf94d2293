"""Layers: the dynamic convolutions, and what they are made of."""

from odconv_torch.layers.attention import ODAttention
from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.build import build_conv, build_linear, build_norm
from odconv_torch.layers.cond_conv import CondConv1d, CondConv2d, CondConv3d
from odconv_torch.layers.dy_attention import DyAttention
from odconv_torch.layers.dy_conv import DyConv1d, DyConv2d, DyConv3d
from odconv_torch.layers.dynamic import DynamicConv
from odconv_torch.layers.functional import mixed_conv, od_conv
from odconv_torch.layers.norm import BatchNorm1d, BatchNorm2d, BatchNorm3d, LayerNorm
from odconv_torch.layers.od_conv import ODConv1d, ODConv2d, ODConv3d
from odconv_torch.layers.pointwise import Pointwise
from odconv_torch.layers.routing import Routing
from odconv_torch.layers.temperature import set_temperature

__all__ = [
    "Attentions",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "CondConv1d",
    "CondConv2d",
    "CondConv3d",
    "DyAttention",
    "DyConv1d",
    "DyConv2d",
    "DyConv3d",
    "DynamicConv",
    "LayerNorm",
    "ODAttention",
    "ODConv1d",
    "ODConv2d",
    "ODConv3d",
    "Pointwise",
    "Routing",
    "build_conv",
    "build_linear",
    "build_norm",
    "mixed_conv",
    "od_conv",
    "set_temperature",
]
