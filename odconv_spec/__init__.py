"""What the models are: options, stage tables, and the name, role and shape of every stored array.

Nothing in here holds an array, opens a file, or knows that a framework exists.
"""

from odconv_spec.backbone import BackboneSpec, BlockSpec
from odconv_spec.choice import ConvChoice
from odconv_spec.layers import ConvSpec, LinearSpec, NormSpec, ODConvSpec
from odconv_spec.mobilenetv2 import ConvNormSpec, InvertedResidualSpec, MobileNetV2Spec
from odconv_spec.models import from_dict, from_json, list_models, model_spec, to_json
from odconv_spec.parameters import Parameter, Role, under
from odconv_spec.resnet import ResidualSpec, ResNetSpec

__all__ = [
    "BackboneSpec",
    "BlockSpec",
    "ConvChoice",
    "ConvNormSpec",
    "ConvSpec",
    "InvertedResidualSpec",
    "LinearSpec",
    "MobileNetV2Spec",
    "NormSpec",
    "ODConvSpec",
    "Parameter",
    "ResNetSpec",
    "ResidualSpec",
    "Role",
    "from_dict",
    "from_json",
    "list_models",
    "model_spec",
    "to_json",
    "under",
]
