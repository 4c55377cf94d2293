"""Faster and Mask R-CNN of torchvision on the bodies of this package, as the ODConv paper has them.

from odconv_torch.detection import mask_rcnn

detector = mask_rcnn("od_resnet50", num_classes=80)
"""

from odconv_spec.extras import missing

try:
    import torchvision  # noqa: F401  # first, so that its lack is said in one sentence
except ModuleNotFoundError as error:
    raise missing(error, "odconv_torch.detection", "'odconv[detection]'") from error

from odconv_torch.detection.align import AdaptiveAlign
from odconv_torch.detection.anchors import StrideAnchors
from odconv_torch.detection.build import faster_rcnn, mask_rcnn
from odconv_torch.detection.pyramid import PyramidBody

__all__ = ["AdaptiveAlign", "PyramidBody", "StrideAnchors", "faster_rcnn", "mask_rcnn"]
