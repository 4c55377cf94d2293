"""Which options a lone layer has, inferred from its arrays."""

from __future__ import annotations

from odconv_spec import DynamicConvSpec, RecalibrationSpec
from odconv_spec.choice import shown_kind
from odconv_spec.evidence import Shapes
from odconv_spec.recalibrations import lone_recalibration
from weights_converter.identify.explained import explained

_BANK_AXES = 3  # kernels, output channels, input channels of a group


def infer_layer(shapes: Shapes) -> DynamicConvSpec | RecalibrationSpec | None:
    """The spec of the layer whose arrays have these names and shapes, None if they are of no layer.

    Strides, padding and dilation leave no trace in arrays.

    Raises:
        MismatchError: it is a layer, and its arrays contradict each other.
    """
    if len(shapes.get("weight", ())) <= _BANK_AXES:
        with explained():
            return lone_recalibration(shapes)
    kind = shown_kind(shapes)
    if kind is None:
        return None
    with explained():
        return kind.from_arrays(shapes)
