"""Which options a lone layer has, inferred from its arrays."""

from __future__ import annotations

from odconv_spec import DynamicConvSpec, LinearSpec, RecalibrationSpec
from odconv_spec.choice import shown_kind
from odconv_spec.evidence import Shapes
from odconv_spec.linears import lone_linear
from odconv_spec.recalibrations import lone_recalibration
from weights_converter.identify.explained import explained


def infer_layer(shapes: Shapes) -> DynamicConvSpec | LinearSpec | RecalibrationSpec | None:
    """The spec of the layer whose arrays have these names and shapes, None if they are of no layer.

    Strides, padding and dilation leave no trace in arrays.

    Raises:
        MismatchError: it is a layer, and its arrays contradict each other.
    """
    kind = shown_kind(shapes)
    with explained():
        if kind is not None and kind.is_lone(shapes):
            return kind.from_arrays(shapes)
        return lone_linear(shapes) or lone_recalibration(shapes)
