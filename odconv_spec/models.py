"""Names of the models, and specs from names, plain values and JSON text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from functools import cache
from typing import Any, Final, NamedTuple

from odconv_spec.backbone import BackboneSpec
from odconv_spec.choice import KINDS, ConvChoice, conv_options, kinds, spec_class
from odconv_spec.dynamic import DynamicConvSpec
from odconv_spec.geometry import one_of
from odconv_spec.mobilenetv2 import MobileNetV2Spec
from odconv_spec.plugins import with_plugins
from odconv_spec.recalibrations import (
    RECALIBRATIONS,
    RecalibrationChoice,
    recalibration_options,
)
from odconv_spec.resnet import ResNetSpec
from odconv_spec.shufflenetv2 import ShuffleNetV2Spec

GROUP: Final = "odconv.backbones"
FAMILIES: Final[Mapping[str, type[BackboneSpec]]] = {
    spec.family: spec for spec in (ResNetSpec, MobileNetV2Spec, ShuffleNetV2Spec)
}


class Model(NamedTuple):
    """What a name stands for: a family with the options of one of its networks, and a kind."""

    kind: str
    family: type[BackboneSpec]
    options: Mapping[str, Any]
    recalibration: str | None = None

    def conv_options(self) -> dict[str, Any]:
        """The options of the convolutions with their defaults."""
        return conv_options(self.kind)

    def recalibration_options(self) -> dict[str, Any]:
        """Those of the layers that scale maps; none where there are no such layers."""
        return recalibration_options(self.recalibration) if self.recalibration else {}


def _models(kinds: Iterable[str], families: Iterable[type[BackboneSpec]]) -> dict[str, Model]:
    return {
        (name if kind == "static" else f"{kind}_{name}"): Model(kind, family, options)
        for kind in kinds
        for family in families
        if _has_models(kind, family.family)
        for name, options in family.published_with(kind).items()
    }


def _has_models(kind: str, family: str) -> bool:
    """Whether there are models of a kind of convolution in a family of backbones."""
    spec = spec_class(kind)
    if not issubclass(spec, DynamicConvSpec):
        return True
    return spec.families is None or family in spec.families


def _recalibrated(families: Iterable[type[BackboneSpec]]) -> dict[str, Model]:
    """Static networks with a layer in each block that scales its map."""
    return {
        f"{kind}_{name}": Model("static", family, options, kind)
        for kind in RECALIBRATIONS
        for family in families
        if family.recalibrates
        for name, options in family.published.items()
    }


MODELS: Final[Mapping[str, Model]] = {
    **_models(KINDS, FAMILIES.values()),
    **_recalibrated(FAMILIES.values()),
}


def families() -> Mapping[str, type[BackboneSpec]]:
    """Family -> spec class, of this project and of installed packages."""
    return with_plugins(GROUP, FAMILIES, "family")


@cache
def models() -> Mapping[str, Model]:
    """Every model by name, those of installed packages included."""
    every = families().values()
    return {**MODELS, **_models(kinds(), every), **_recalibrated(every)}


def list_models() -> list[str]:
    """Names that `model_spec` and every package's `create_model` accept.

    Returns:
        Those of this project first, then those of installed packages.

    Example:
        >>> [name for name in list_models() if name.endswith("resnet18")][:4]
        ['resnet18', 'od_resnet18', 'dy_resnet18', 'cond_resnet18']
    """
    return list(models())


def model_spec(name: str, **options: Any) -> BackboneSpec:
    """The spec of a model by name.

    Args:
        name: one of `list_models()`.
        **options: of the backbone (`num_classes`, `in_channels`, `dropout`, `stages`, ...) or of
            its convolutions (for ODConv `kernel_num`, `reduction`, `min_channels`, `head_init`) or
            of the layers in its blocks (for SE `reduction`, `bias`).

    Returns:
        A spec, which does not change.

    Raises:
        ValueError: unknown name or option, or a value out of range.

    Example:
        >>> spec = model_spec("od_resnet18", num_classes=10, kernel_num=4)
        >>> spec.num_features, spec.head
        (512, LinearSpec(in_channels=512, out_channels=10, bias=True))
    """
    model = MODELS.get(name) or _found(name)  # packages are searched for other names only
    _check_options(name, model, options)
    of_conv, rest = _split(options, model.conv_options())
    of_scaling, of_backbone = _split(rest, model.recalibration_options())
    conv = ConvChoice.of(model.kind, **of_conv)
    kind = model.recalibration
    backbone = {**model.options, **of_backbone}
    scaling = _scaling(model.family, kind, backbone, of_scaling) if kind else None
    return model.family(conv=conv, recalibration=scaling, **backbone)


def _scaling(
    family: type[BackboneSpec],
    kind: str,
    backbone: Mapping[str, Any],
    options: Mapping[str, Any],
) -> RecalibrationChoice:
    """The layers that scale maps, with the family's defaults."""
    defaults = family.recalibration_defaults(kind, backbone)
    return RecalibrationChoice.of(kind, **{**defaults, **options})


def _split(
    options: Mapping[str, Any], known: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options that are known, and the others."""
    of = {key: value for key, value in options.items() if key in known}
    return of, {key: value for key, value in options.items() if key not in known}


def _found(name: str) -> Model:
    names = models()
    if name not in names:
        near = get_close_matches(name, names, n=3)
        hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
        raise ValueError(f"unknown model {name!r}: {hint}list_models() has all {len(names)} names")
    return names[name]


def _check_options(name: str, model: Model, options: Mapping[str, Any]) -> None:
    own = {field.name for field in fields(model.family)} - {"conv", "recalibration"}
    known = own | set(model.conv_options()) | set(model.recalibration_options())
    unknown = sorted(set(options) - known)
    if unknown:
        raise ValueError(
            f"{name} has the options {', '.join(sorted(known))}; received {', '.join(unknown)}"
        )


def from_dict(values: Mapping[str, Any]) -> BackboneSpec:
    """The spec that `BackboneSpec.to_dict` described.

    Returns:
        The spec, of the family that the dictionary names.

    Raises:
        ValueError: the values describe no spec.

    Example:
        >>> from_dict({"family": "resnet", "conv": "od", "num_classes": 10}).name
        'od_resnet18'
    """
    options = dict(values)
    family = _name("family", options.pop("family", None), FAMILIES, families)
    kind = _name("conv", options.pop("conv", "static"), KINDS, kinds)
    of_conv = options.pop("conv_options", {})
    if not isinstance(of_conv, Mapping) or "kind" in of_conv:
        raise ValueError(f"conv_options: expected options of {kind!r}, received {of_conv!r}")
    conv = ConvChoice.of(kind, **of_conv)
    scaling = _recalibration(options)
    spec_class = FAMILIES.get(family) or families()[family]
    known = {field.name for field in fields(spec_class)} - {"conv", "recalibration"}
    unknown = sorted(set(options) - known)
    if unknown:
        raise ValueError(f"a {family} spec has the fields {sorted(known)}; received {unknown}")
    return spec_class(conv=conv, recalibration=scaling, **options)


def _recalibration(options: dict[str, Any]) -> RecalibrationChoice | None:
    """What `to_dict` said of the layers that scale maps, which is taken out of the options."""
    kind = options.pop("recalibration", None)
    own = options.pop("recalibration_options", {})
    if not isinstance(own, Mapping) or "kind" in own:
        raise ValueError(f"recalibration_options: expected options, received {own!r}")
    if kind is None and not own:
        return None
    return RecalibrationChoice.of(one_of("recalibration", kind, tuple(RECALIBRATIONS)), **own)


def _name(
    option: str, value: object, table: Mapping[str, Any], every: Callable[[], Mapping[str, Any]]
) -> str:
    """`value` if it is a name in `table`, or among `every` one, for which packages are searched."""
    known = isinstance(value, str) and value in table
    return one_of(option, value, tuple(table if known else every()))


def to_json(spec: BackboneSpec) -> str:
    """The spec as JSON text, the same for equal specs.

    Returns:
        One line of JSON with sorted keys.

    Example:
        >>> spec = model_spec("dy_mobilenetv2_050", kernel_num=2)
        >>> from_json(to_json(spec)) == spec
        True
    """
    return json.dumps(spec.to_dict(), sort_keys=True)


def from_json(text: str) -> BackboneSpec:
    """The spec that `to_json` wrote.

    Returns:
        The spec, of the family that the text names.

    Raises:
        ValueError: the text is no JSON object, or describes no network.

    Example:
        >>> spec = model_spec("od_resnet18", kernel_num=4, num_classes=10)
        >>> from_json(to_json(spec)) == spec
        True
    """
    try:
        values = json.loads(text)
    except RecursionError as error:
        raise ValueError("a model spec is a JSON object, received a deeply nested one") from error
    if not isinstance(values, dict):
        raise ValueError(f"a model spec is a JSON object, received {type(values).__name__}")
    return from_dict(values)
