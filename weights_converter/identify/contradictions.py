"""Which options of a model that was asked for the arrays of a file contradict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from odconv_spec import BackboneSpec, DynamicConvSpec, from_dict
from odconv_spec.evidence import Shapes
from weights_converter.errors import ConverterError, MismatchError
from weights_converter.identify.backbones import infer_spec


@dataclass(frozen=True)
class Claim:
    """Who says which model a file is of, and what helps where it is not.

    Attributes:
        says: goes before the model, as in "you asked for".
        help: one line of advice.
    """

    says: str
    help: str


# The options of what a backbone is made of, and what says their kind.
_OPTIONS_OF: Final = {"conv_options": "conv", "recalibration_options": "recalibration"}
ASKED: Final = Claim("you asked for", "drop the model option, or ask for what the file holds")


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
    values = {name: value for name, (_, value) in options.items()}
    holds = list(_shown(found, values, shapes))
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
    # What no array shows may be as in the model that was asked for.
    for untold in ({name: getattr(asked, name) for name in asked.untold}, {}):
        try:
            found = infer_spec(shapes, **untold)
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
    for options, kind in _OPTIONS_OF.items():
        if plain.get(kind) == other.get(kind):
            for name, value in other.get(options, {}).items():
                changed = plain | {options: plain[options] | {name: value}}
                if plain[options][name] != value and _leaves_a_trace(asked, changed):
                    yield name, (plain[options][name], value)
    for name, value in other.items():
        by_name = name in _OPTIONS_OF.values() or any(name in r for r in asked.published.values())
        told = by_name or name in _OPTIONS_OF
        if plain.get(name) != value and not told and _leaves_a_trace(asked, plain | {name: value}):
            yield name, (plain.get(name), value)


def _leaves_a_trace(asked: BackboneSpec, changed: Mapping[str, Any]) -> bool:
    try:
        return from_dict(changed).parameters() != asked.parameters()
    except ValueError:  # the option does not go with the others
        return True


def _shown(found: BackboneSpec, options: Mapping[str, Any], shapes: Shapes) -> Iterator[str]:
    """Each option, and the arrays that show it behind the last that they show."""
    evidence = {name: _evidence(found, name, shapes) for name in options}
    last = {text: name for name, text in evidence.items()}
    for name, value in options.items():
        shows = evidence[name] and last[evidence[name]] == name
        yield f"{name}={value} ({evidence[name]})" if shows else f"{name}={value}"


def _evidence(found: BackboneSpec, option: str, shapes: Shapes) -> str:
    """The arrays that show the value of an option, of the backbone or of its convolutions."""
    conv = found.conv.spec_class
    if option in dict(found.conv.options) and issubclass(conv, DynamicConvSpec):
        return conv.evidence(option, shapes)
    return found.evidence(option, shapes)
