"""The layers that recalibrate maps, by kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from odconv_spec.cbam import CBAMSpec
from odconv_spec.efficient_channel_attention import EfficientChannelAttentionSpec
from odconv_spec.evidence import Shapes
from odconv_spec.recalibration import RecalibrationSpec
from odconv_spec.squeeze_excitation import SqueezeExcitationSpec

RECALIBRATIONS: Final[Mapping[str, type[RecalibrationSpec]]] = {
    spec.kind: spec for spec in (SqueezeExcitationSpec, CBAMSpec, EfficientChannelAttentionSpec)
}


def lone_recalibration(shapes: Shapes) -> RecalibrationSpec | None:
    """The spec of the lone layer whose arrays have these names and shapes, None for none.

    Raises:
        UnexplainedError: they have the names of one and contradict each other.

    Example:
        >>> lone_recalibration({"conv.weight": (1, 1, 5)})
        EfficientChannelAttentionSpec(channels=None, kernel_size=5)
    """
    kinds = RECALIBRATIONS.values()
    kind = next((kind for kind in kinds if kind.shows(shapes)), None)
    return None if kind is None else kind.from_arrays(shapes)
