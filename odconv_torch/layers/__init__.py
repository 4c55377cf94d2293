"""Layers: the dynamic convolutions, and what they are made of."""

from odconv_torch.layers.attention import Attentions, ODConvAttention
from odconv_torch.layers.build import build_conv, build_linear, build_norm
from odconv_torch.layers.functional import od_conv
from odconv_torch.layers.norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from odconv_torch.layers.od_conv import ODConv1d, ODConv2d, ODConv3d
from odconv_torch.layers.temperature import set_temperature

__all__ = [
    "Attentions",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "ODConv1d",
    "ODConv2d",
    "ODConv3d",
    "ODConvAttention",
    "build_conv",
    "build_linear",
    "build_norm",
    "od_conv",
    "set_temperature",
]
