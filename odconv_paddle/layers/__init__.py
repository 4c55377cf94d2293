"""Layers: the dynamic convolutions, and what they are made of."""

from odconv_paddle.layers.attention import Attentions, ODConvAttention
from odconv_paddle.layers.build import build_conv, build_linear, build_norm
from odconv_paddle.layers.functional import od_conv
from odconv_paddle.layers.norm import BatchNorm1D, BatchNorm2D, BatchNorm3D
from odconv_paddle.layers.od_conv import ODConv1D, ODConv2D, ODConv3D
from odconv_paddle.layers.temperature import set_temperature

__all__ = [
    "Attentions",
    "BatchNorm1D",
    "BatchNorm2D",
    "BatchNorm3D",
    "ODConv1D",
    "ODConv2D",
    "ODConv3D",
    "ODConvAttention",
    "build_conv",
    "build_linear",
    "build_norm",
    "od_conv",
    "set_temperature",
]
