"""Faster and Mask R-CNN with a feature pyramid, as the ODConv paper has them on MS-COCO.

A `DetectorSpec` stands where a backbone has its spec: it gives every stored array, under the names
of torchvision, mmdetection or PaddleDetection, and is made from them.
"""

from odconv_spec.detectors.codes import ARITHMETIC, CODES, Code
from odconv_spec.detectors.evidence import Heads, code_of, detector_from_arrays, heads_of
from odconv_spec.detectors.plain import network_from_json, network_to_json
from odconv_spec.detectors.rows import in_other_order
from odconv_spec.detectors.spec import DetectorSpec, detector_maps

__all__ = [
    "ARITHMETIC",
    "CODES",
    "Code",
    "DetectorSpec",
    "Heads",
    "code_of",
    "detector_from_arrays",
    "detector_maps",
    "heads_of",
    "in_other_order",
    "network_from_json",
    "network_to_json",
]
