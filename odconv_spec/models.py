"""Names of the models, and specs from names, plain values and JSON text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from functools import partial
from types import MappingProxyType
from typing import Any

from odconv_spec import mobilenetv2, resnet
from odconv_spec.backbone import BackboneSpec
from odconv_spec.choice import KINDS, ConvChoice, conv_options
from odconv_spec.geometry import one_of
from odconv_spec.mobilenetv2 import MobileNetV2Spec
from odconv_spec.resnet import ResNetSpec

FAMILIES: Mapping[str, type[BackboneSpec]] = MappingProxyType(
    {spec.family: spec for spec in (ResNetSpec, MobileNetV2Spec)}
)


def _architectures() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for depth, (block, stages) in resnet.DEPTHS.items():
        found[f"resnet{depth}"] = partial(ResNetSpec, block=block, stages=stages)
    for label, width in mobilenetv2.WIDTHS.items():
        found[f"mobilenetv2_{label}"] = partial(MobileNetV2Spec, width=width)
    return found


def _models() -> dict[str, tuple[str, Any]]:
    prefixes = {kind: "" if kind == "static" else f"{kind}_" for kind in KINDS}
    return {
        prefix + name: (kind, architecture)
        for kind, prefix in prefixes.items()
        for name, architecture in _architectures().items()
    }


MODELS: Mapping[str, tuple[str, Any]] = MappingProxyType(_models())


def list_models() -> list[str]:
    """Names that `model_spec` and every package's `create_model` accept."""
    return list(MODELS)


def model_spec(name: str, **options: Any) -> BackboneSpec:
    """The spec of a model by name.

    Args:
        name: one of `list_models()`.
        **options: of the backbone (`num_classes`, `in_channels`, `dropout`, `stages`, ...) or of
            its convolutions (for ODConv `kernel_num`, `reduction`, `min_channels`, `head_init`).

    Raises:
        ValueError: unknown name or option, or a value out of range.
    """
    if name not in MODELS:
        near = get_close_matches(name, MODELS, n=3)
        hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
        raise ValueError(f"unknown model {name!r}: {hint}list_models() has all {len(MODELS)} names")
    kind, architecture = MODELS[name]
    _check_options(name, architecture, kind, options)
    of_conv = {key: value for key, value in options.items() if key in conv_options(kind)}
    of_backbone = {key: value for key, value in options.items() if key not in of_conv}
    spec: BackboneSpec = architecture(conv=ConvChoice.of(kind, **of_conv), **of_backbone)
    return spec


def _check_options(name: str, architecture: Any, kind: str, options: Mapping[str, Any]) -> None:
    known = {field.name for field in fields(architecture.func)} - {"conv"} | set(conv_options(kind))
    unknown = sorted(set(options) - known)
    if unknown:
        raise ValueError(
            f"{name} has the options {', '.join(sorted(known))}; received {', '.join(unknown)}"
        )


def from_dict(values: Mapping[str, Any]) -> BackboneSpec:
    """The spec that `BackboneSpec.to_dict` described. Raises ValueError for other values."""
    options = dict(values)
    family = one_of("family", options.pop("family", None), tuple(FAMILIES))
    kind = one_of("conv", options.pop("conv", "static"), tuple(KINDS))
    of_conv = options.pop("conv_options", {})
    if not isinstance(of_conv, Mapping) or "kind" in of_conv:
        raise ValueError(f"conv_options: expected options of {kind!r}, received {of_conv!r}")
    conv = ConvChoice.of(kind, **of_conv)
    known = {field.name for field in fields(FAMILIES[family])} - {"conv"}
    unknown = sorted(set(options) - known)
    if unknown:
        raise ValueError(f"a {family} spec has the fields {sorted(known)}; received {unknown}")
    return FAMILIES[family](conv=conv, **options)


def to_json(spec: BackboneSpec) -> str:
    """The spec as JSON text, the same for equal specs."""
    return json.dumps(spec.to_dict(), sort_keys=True)


def from_json(text: str) -> BackboneSpec:
    """The spec that `to_json` wrote. Raises ValueError for any other text."""
    try:
        values = json.loads(text)
    except RecursionError as error:
        raise ValueError("a model spec is a JSON object, received a deeply nested one") from error
    if not isinstance(values, dict):
        raise ValueError(f"a model spec is a JSON object, received {type(values).__name__}")
    return from_dict(values)
