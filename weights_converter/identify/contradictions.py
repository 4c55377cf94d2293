"""Which options of a model that was asked for the arrays of a file contradict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from odconv_spec import BackboneSpec, MobileNetV2Spec, from_dict
from weights_converter.errors import ConverterError, MismatchError
from weights_converter.identify.backbones import infer_spec

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Claim:
    """Who says which model a file is of, and what helps where it is not.

    Attributes:
        says: goes before the model, as in "you asked for".
        help: one line of advice.
    """

    says: str
    help: str


ASKED: Final = Claim("you asked for", "drop the model option, or ask for what the file holds")
_WIDTHS: Final = ("reduction", "min_channels", "hidden_rule", "hidden_channels")


def contradiction(
    asked: BackboneSpec, shapes: Shapes, file: str, claim: Claim = ASKED
) -> MismatchError | None:
    """An error that says what the file holds, by which arrays, and what was claimed instead.

    None where the arrays are not exactly those of some model, or those of this one.
    """
    found = _model_of(shapes, asked)
    if found is None:
        return None
    options = dict(_differences(asked, found))
    if not options and found.name == asked.name:
        return None
    holds = list(_shown({name: value for name, (_, value) in options.items()}, shapes))
    wants = [f"{name}={value}" for name, (value, _) in options.items()]
    if found.name != asked.name:
        wants = [asked.name, *wants]
    return MismatchError(
        f"{file} is {found.name}{' with ' if holds else ''}{', '.join(holds)}; "
        f"{claim.says} {', '.join(wants)}",
        help=claim.help,
    )


def _model_of(shapes: Shapes, asked: BackboneSpec) -> BackboneSpec | None:
    """The spec that all of the arrays, and nothing but them, are of."""
    # A file stores no strides: those of the model that was asked for may be right.
    tables = [asked.stages] if isinstance(asked, MobileNetV2Spec) else []
    for stages in (*tables, None):
        try:
            found = infer_spec(shapes, stages)
        except ConverterError:
            continue
        if {p.name: p.shape for p in found.parameters()} == dict(shapes):
            return found
    return None


def _differences(asked: BackboneSpec, found: BackboneSpec) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """option -> (asked, found), of those that change the names or shapes of arrays."""
    if asked.family != found.family:
        return
    plain, other = asked.to_dict(), found.to_dict()
    of_conv, other_of_conv = plain.pop("conv_options"), other.pop("conv_options")
    if asked.conv.kind == found.conv.kind:
        for name, value in other_of_conv.items():
            changed = plain | {"conv_options": of_conv | {name: value}}
            if of_conv[name] != value and _leaves_a_trace(asked, changed):
                yield name, (of_conv[name], value)
    for name, value in other.items():
        changed = plain | {"conv_options": of_conv, name: value}
        told_by_name = name in ("conv", "stages", "block", "width")
        if plain[name] != value and not told_by_name and _leaves_a_trace(asked, changed):
            yield name, (plain[name], value)


def _leaves_a_trace(asked: BackboneSpec, changed: Mapping[str, Any]) -> bool:
    try:
        return from_dict(changed).parameters() != asked.parameters()
    except ValueError:  # the option does not go with the others
        return True


def _shown(options: Mapping[str, Any], shapes: Shapes) -> Iterator[str]:
    """Each option, and the arrays that show it behind the last that they show."""
    evidence = {name: _evidence(name, shapes) for name in options}
    last = {text: name for name, text in evidence.items()}
    for name, value in options.items():
        shows = evidence[name] and last[evidence[name]] == name
        yield f"{name}={value} ({evidence[name]})" if shows else f"{name}={value}"


def _evidence(option: str, shapes: Shapes) -> str:
    """The arrays that show the value of the option, of the first layer that has them."""
    if option == "kernel_num":
        return _of_kernels(shapes)
    if option in _WIDTHS:
        return _first(shapes, ".attention.fc.weight") or _first(shapes, ".attention.fc1.weight")
    if option == "num_classes":
        return _first(shapes, "fc.weight", "classifier.1.weight")
    if option in ("in_channels", "stem_channels"):
        return _first(shapes, "conv1.weight", "features.0.0.weight")
    return ""


def _of_kernels(shapes: Shapes) -> str:
    """What weighs the kernels, and the kernels."""
    for trunk, weigher in (
        (".attention.fc.weight", "attention.kernel_fc"),
        (".attention.fc1.weight", "attention.fc2"),
        (".routing.weight", "routing"),
    ):
        for name in shapes:
            owner = name.removesuffix(trunk)
            if owner != name:
                bank = shapes.get(f"{owner}.weight")
                shape = shapes.get(f"{owner}.{weigher}.weight")
                last = weigher.rpartition(".")[2]
                weighs = f"no {last}" if shape is None else f"{last}.weight {shape}"
                return weighs if bank is None else f"{weighs}, weight {bank}"
    return ""


def _first(shapes: Shapes, *endings: str) -> str:
    for name, shape in shapes.items():
        if any(
            name == ending or (ending[0] == "." and name.endswith(ending)) for ending in endings
        ):
            return f"{name} {shape}"
    return ""
