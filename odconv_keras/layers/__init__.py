"""Layers: the dynamic convolutions, and what they are made of."""

from odconv_keras.layers.attention import Attentions, ODConvAttention
from odconv_keras.layers.build import build_conv, build_linear, build_norm
from odconv_keras.layers.chain import Chain
from odconv_keras.layers.functional import od_conv
from odconv_keras.layers.norm import BatchNormalization
from odconv_keras.layers.od_conv import ODConv1D, ODConv2D, ODConv3D
from odconv_keras.layers.static_conv import StaticConv1D, StaticConv2D, StaticConv3D
from odconv_keras.layers.temperature import set_temperature

__all__ = [
    "Attentions",
    "BatchNormalization",
    "Chain",
    "ODConv1D",
    "ODConv2D",
    "ODConv3D",
    "ODConvAttention",
    "StaticConv1D",
    "StaticConv2D",
    "StaticConv3D",
    "build_conv",
    "build_linear",
    "build_norm",
    "od_conv",
    "set_temperature",
]
