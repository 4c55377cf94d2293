"""A network of either kind, a backbone or a detector, as JSON text."""

from __future__ import annotations

import json

from odconv_spec.backbone import BackboneSpec
from odconv_spec.detectors.spec import DetectorSpec
from odconv_spec.models import from_json, to_json

_SIGN = '"detector"'


def network_to_json(spec: BackboneSpec | DetectorSpec) -> str:
    """The spec as JSON text, the same for equal specs.

    Returns:
        The text that `network_from_json` reads.

    Example:
        >>> from odconv_spec import model_spec
        >>> spec = DetectorSpec("faster_rcnn", model_spec("od_resnet18", num_classes=0), 3)
        >>> network_from_json(network_to_json(spec)) == spec
        True
    """
    if isinstance(spec, BackboneSpec):
        return to_json(spec)
    return json.dumps(spec.to_dict(), sort_keys=True)


def network_from_json(text: str) -> BackboneSpec | DetectorSpec:
    """The spec that `network_to_json` wrote.

    Returns:
        The spec of a backbone or of a detector.

    Raises:
        ValueError: the text is no JSON object, or describes no backbone and no detector.

    Example:
        >>> spec = DetectorSpec("faster_rcnn", model_spec("od_resnet18", num_classes=0), 7)
        >>> network_from_json(network_to_json(spec)) == spec
        True
    """
    if _SIGN not in text:
        return from_json(text)
    try:
        values = json.loads(text)
    except RecursionError as error:
        raise ValueError("a model spec is a JSON object, received a deeply nested one") from error
    if not isinstance(values, dict) or "detector" not in values:
        return from_json(text)
    return DetectorSpec.from_dict(values)
