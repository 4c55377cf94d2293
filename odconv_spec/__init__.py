"""What the models are: options, stage tables, and the name, role and shape of every stored array.

A spec gives its arrays, `parameters()`, and arrays give their spec, `from_arrays()`.

Nothing in here holds an array, opens a file, or knows that a framework exists.
"""

from odconv_spec.backbone import BackboneSpec
from odconv_spec.block import BlockSpec
from odconv_spec.cbam import CBAMSpec
from odconv_spec.cg_conv import CGConvSpec
from odconv_spec.choice import ConvChoice
from odconv_spec.cond_conv import CondConvSpec, RoutingSpec
from odconv_spec.conv import ConvSpec
from odconv_spec.dcd_conv import DCDConvSpec
from odconv_spec.dcd_linear import DCDLinearSpec
from odconv_spec.dy_conv import DyConvSpec
from odconv_spec.dynamic import DynamicConvSpec
from odconv_spec.efficient_channel_attention import EfficientChannelAttentionSpec
from odconv_spec.evidence import UnexplainedError
from odconv_spec.fd_conv import FDConvSpec
from odconv_spec.feature_maps import FeatureInfo
from odconv_spec.frequencies import FrequencyOrderSpec, frequency_order
from odconv_spec.kernel_bank import KernelBankSpec
from odconv_spec.kw_conv import KWConvSpec, KWLinearSpec
from odconv_spec.kw_sharing import share_warehouses
from odconv_spec.linear import LinearSpec
from odconv_spec.mobilenetv2 import MobileNetV2Spec
from odconv_spec.mobilenetv2_blocks import ConvNormSpec, InvertedResidualSpec
from odconv_spec.models import from_dict, from_json, list_models, model_spec, to_json
from odconv_spec.norm import LayerNormSpec, NormSpec
from odconv_spec.od_conv import ODConvSpec
from odconv_spec.parameters import Parameter, Role, under
from odconv_spec.recalibration import RecalibrationSpec
from odconv_spec.recalibrations import RecalibrationChoice
from odconv_spec.resnet import ResidualSpec, ResNetSpec
from odconv_spec.schedule import kw_temperature, linear_temperature
from odconv_spec.shared import SharedSpec
from odconv_spec.shufflenetv2 import ShuffleNetV2Spec
from odconv_spec.shufflenetv2_blocks import ShuffleSpec, UnitSpec
from odconv_spec.sizes import multiply_adds
from odconv_spec.squeeze_excitation import SqueezeExcitationSpec
from odconv_spec.version import __version__
from odconv_spec.warehouse import WarehouseManagerSpec, WarehouseSpec
from odconv_spec.we_conv import WEConvSpec
from odconv_spec.weight_net import ReduceSpec
from odconv_spec.weight_net_conv import WeightNetConvSpec

__all__ = [
    "BackboneSpec",
    "BlockSpec",
    "CBAMSpec",
    "CGConvSpec",
    "CondConvSpec",
    "ConvChoice",
    "ConvNormSpec",
    "ConvSpec",
    "DCDConvSpec",
    "DCDLinearSpec",
    "DyConvSpec",
    "DynamicConvSpec",
    "EfficientChannelAttentionSpec",
    "FDConvSpec",
    "FeatureInfo",
    "FrequencyOrderSpec",
    "InvertedResidualSpec",
    "KWConvSpec",
    "KWLinearSpec",
    "KernelBankSpec",
    "LayerNormSpec",
    "LinearSpec",
    "MobileNetV2Spec",
    "NormSpec",
    "ODConvSpec",
    "Parameter",
    "RecalibrationChoice",
    "RecalibrationSpec",
    "ReduceSpec",
    "ResNetSpec",
    "ResidualSpec",
    "Role",
    "RoutingSpec",
    "SharedSpec",
    "ShuffleNetV2Spec",
    "ShuffleSpec",
    "SqueezeExcitationSpec",
    "UnexplainedError",
    "UnitSpec",
    "WEConvSpec",
    "WarehouseManagerSpec",
    "WarehouseSpec",
    "WeightNetConvSpec",
    "__version__",
    "frequency_order",
    "from_dict",
    "from_json",
    "kw_temperature",
    "linear_temperature",
    "list_models",
    "model_spec",
    "multiply_adds",
    "share_warehouses",
    "to_json",
    "under",
]
