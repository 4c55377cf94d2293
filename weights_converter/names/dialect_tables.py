"""The dialects: one table for each code whose checkpoints circulate.

DyConv of https://github.com/kaijieshi7/Dynamic-convolution-Pytorch needs none: its names are ours,
and the widths and biases that its versions differ in are told by the arrays.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from odconv_spec.plugins import with_plugins
from weights_converter.names.dialect_rules import Dialect, Rule, Zeros

# Its detectors hold a whole classifier as their backbone, the last layer included.
MMDETECTION = Dialect(
    "a detector, https://github.com/OSVAI/ODConv/tree/main/object_detection, or of its body",
    signs=("backbone.{rest}",),
    rules=(Rule("backbone.{rest}", "{rest}"),),
    left_out=("neck", "rpn_head", "roi_head", "bbox_head", "mask_head"),
)
# The router stands beside the convolutions that it serves; only the first block does not expand.
D_LI14 = Dialect(
    "https://github.com/d-li14/condconv.pytorch",
    signs=("{path}route.fc.weight", "classifier_route.fc.weight"),
    rules=(
        Rule("features.1.dw.{leaf}", "features.1.conv.0.0.{leaf}"),
        Rule("features.1.bn_dw.{leaf}", "features.1.conv.0.1.{leaf}"),
        Rule("features.1.pw_linear.{leaf}", "features.1.conv.1.{leaf}"),
        Rule("features.1.bn_pw_linear.{leaf}", "features.1.conv.2.{leaf}"),
        Rule("features.{n}.pw.{leaf}", "features.{n}.conv.0.0.{leaf}"),
        Rule("features.{n}.bn_pw.{leaf}", "features.{n}.conv.0.1.{leaf}"),
        Rule("features.{n}.dw.{leaf}", "features.{n}.conv.1.0.{leaf}"),
        Rule("features.{n}.bn_dw.{leaf}", "features.{n}.conv.1.1.{leaf}"),
        Rule("features.{n}.pw_linear.{leaf}", "features.{n}.conv.2.{leaf}"),
        Rule("features.{n}.bn_pw_linear.{leaf}", "features.{n}.conv.3.{leaf}"),
        Rule("conv.{n}.{leaf}", "features.18.{n}.{leaf}"),
        Rule("classifier_route.fc.{leaf}", "classifier.1.routing.{leaf}"),
        Rule("classifier.{leaf}", "classifier.1.{leaf}"),
        Rule("{path}route.fc.{leaf}", "{path}routing.{leaf}"),
        Rule("{path}route.fc.{leaf}", "{path}route.{leaf}", alias=True),
    ),
    zeros=(Zeros("classifier.1.bias", like="classifier.1.weight", axis=1),),
)
# Routers beside convolutions with flattened kernels, which the layout of PyTorch has a row for.
TIMM = Dialect(
    "https://github.com/huggingface/pytorch-image-models",
    signs=("{path}routing_fn.weight",),
    rules=(Rule("{path}routing_fn.{leaf}", "{path}routing.{leaf}"),),
)
TENSORFLOW_TPU = Dialect(
    "https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/condconv",
    signs=("{path}condconv_kernel", "{path}depthwise_condconv_kernel"),
    rules=(
        Rule("{path}condconv_kernel", "{path}kernel"),
        Rule("{path}condconv_bias", "{path}bias"),
        Rule("{path}depthwise_condconv_kernel", "{path}kernel", alias=True),
    ),
    layout="tensorflow",
    separator="/",
)
# Flat blocks, of which only the first does not expand; a dropout may stand before the classifier.
DCD_MOBILENETV2 = Dialect(
    "the MobileNetV2 of https://github.com/liyunsheng13/dcd",
    signs=("features.{n}.conv.6.fc_phi.weight",),
    rules=(
        Rule("features.1.conv.0.{leaf}", "features.1.conv.0.0.{leaf}"),
        Rule("features.1.conv.1.{leaf}", "features.1.conv.0.1.{leaf}"),
        Rule("features.1.conv.3.{leaf}", "features.1.conv.1.{leaf}"),
        Rule("features.1.conv.4.{leaf}", "features.1.conv.2.{leaf}"),
        Rule("features.{n}.conv.0.{rest}", "features.{n}.conv.0.0.{rest}"),
        Rule("features.{n}.conv.1.{leaf}", "features.{n}.conv.0.1.{leaf}"),
        Rule("features.{n}.conv.3.{leaf}", "features.{n}.conv.1.0.{leaf}"),
        Rule("features.{n}.conv.4.{leaf}", "features.{n}.conv.1.1.{leaf}"),
        Rule("features.{n}.conv.6.{rest}", "features.{n}.conv.2.{rest}"),
        Rule("features.{n}.conv.7.{leaf}", "features.{n}.conv.3.{leaf}"),
        Rule("conv.{n}.{leaf}", "features.18.{n}.{leaf}"),
        Rule("classifier.0.{rest}", "classifier.1.{rest}"),
    ),
)
DCD_RESNET = Dialect(
    "the ResNet of https://github.com/liyunsheng13/dcd",
    signs=("classifier.{n}.cls.weight",),
    beside=("layer1.0.conv1.q.weight",),
    rules=(
        Rule("classifier.0.{rest}", "fc.{rest}"),
        Rule("classifier.1.{rest}", "fc.{rest}", alias=True),
    ),
)
KW_MOBILENETV2 = Dialect(
    "the MobileNetV2 of https://github.com/OSVAI/KernelWarehouse",
    signs=("classifier.weight",),
    beside=("warehouse_manager.weights.0",),
    rules=(Rule("classifier.{leaf}", "classifier.1.{leaf}"),),
)
# There the cells of the classifier, which no other layer takes, are the last of the network's.
KW_MOBILENETV2_HALF = Dialect(
    "the MobileNetV2 with KernelWarehouse 1/2x of https://github.com/OSVAI/KernelWarehouse",
    signs=("warehouse_manager.weights.9",),
    beside=("classifier.1.conv.attention.fc1.weight",),
    rules=(Rule("warehouse_manager.weights.9", "classifier.1.conv.warehouse_manager.weights.0"),),
)
# TensorFlow names a variable by the layers around it, and no layer of Keras may have a dot or a
# slash in its name: that of the block layer1.0 is layer1_0.
KERAS_LAYERS = Dialect(
    "the layers of a Keras network, as TensorFlow keeps them",
    signs=("layer1_0.{rest}", "features_0.{rest}"),
    rules=(Rule("{leaf}_{n}.{rest}", "{leaf}.{n}.{rest}"),),
)
DIALECTS: Final[Mapping[str, Dialect]] = {
    "mmdetection": MMDETECTION,
    "d-li14": D_LI14,
    "timm": TIMM,
    "dcd-mobilenetv2": DCD_MOBILENETV2,
    "dcd-resnet": DCD_RESNET,
    "kw-mobilenetv2": KW_MOBILENETV2,
    "kw1d2x-mobilenetv2": KW_MOBILENETV2_HALF,
    "tensorflow-tpu": TENSORFLOW_TPU,
    "keras-layers": KERAS_LAYERS,
}


def dialects() -> Collection[Dialect]:
    """All of them, those that installed packages bring included."""
    return with_plugins("odconv.dialects", DIALECTS).values()
