"""Which model a set of canonical names and shapes belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from odconv_spec import BackboneSpec, model_spec
from odconv_spec.detectors import DetectorSpec
from odconv_spec.evidence import Shapes
from odconv_spec.models import families
from weights_converter.errors import MismatchError
from weights_converter.identify.explained import explained
from weights_converter.identify.manifest import Manifest

Stages = Sequence[Sequence[int]]


def infer_spec(shapes: Shapes, stages: Stages | None = None) -> BackboneSpec:
    """The spec of the backbone whose arrays have these names and shapes.

    Args:
        shapes: canonical name -> canonical shape.
        stages: a stage table, of a family whose files do not show it: they store no strides.

    Raises:
        MismatchError: no backbone has such arrays.
    """
    family = family_of(shapes)
    if family is None:
        known = ", ".join(f"{spec.sign!r} ({spec.title})" for spec in families().values())
        raise MismatchError(
            "the arrays belong to none of the backbones: found none of "
            f"{known} among {_some(shapes)}",
            help="for a network of your own, save its manifest where it is built, "
            "weights_converter.save_manifest(model, 'net.json'), and pass --model net.json",
        )
    if stages is not None and family not in with_stages():
        others = " or ".join(spec.title for spec in with_stages())
        raise MismatchError(f"the file holds a {family.title}; a stage table is for {others}")
    with explained():
        return family.from_arrays(shapes, **({} if stages is None else {"stages": stages}))


def family_of(shapes: Shapes) -> type[BackboneSpec] | None:
    """The family of backbones that arrays show, None if they show none."""
    return next((spec for spec in families().values() if spec.sign in shapes), None)


def with_stages() -> tuple[type[BackboneSpec], ...]:
    """The families whose files do not show their stage table."""
    return tuple(spec for spec in families().values() if "stages" in spec.untold)


def same_model(
    asked: str, inferred: BackboneSpec | DetectorSpec | Manifest, own_table: bool
) -> None:
    """Raises MismatchError where the name that was asked for is not that of the file's model.

    `own_table` says that a stage table was given, so that stages are not compared.
    """
    named = model_spec(asked)
    same = inferred.name == asked
    if own_table and isinstance(inferred, BackboneSpec):
        same = _same_but_for_stages(named, inferred)
    if not same:
        raise MismatchError(
            f"the file holds {describe(inferred)}; you asked for {asked}",
            help=f"drop the model option, or ask for {inferred.name}",
        )


def _same_but_for_stages(named: BackboneSpec, inferred: BackboneSpec) -> bool:
    """Whether the name would fit if `inferred` had the stages that the name stands for."""
    untold = {option: getattr(named, option) for option in named.untold}
    return named.family == inferred.family and replace(inferred, **untold).name == named.name


def _some(shapes: Shapes) -> str:
    names = sorted(shapes)
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return (", ".join(map(repr, names[:3])) or "no arrays") + rest


def describe(spec: BackboneSpec | DetectorSpec | Manifest) -> str:
    """A model in a few words: "od_resnet18 (kernel_num=4, 1000 classes)", "Net (42 arrays)".

    A detector is "Mask R-CNN, FPN, od_resnet50 4 kernels, 80 classes".
    """
    if isinstance(spec, DetectorSpec):
        return spec.title
    if isinstance(spec, Manifest):
        return f"{spec.name} ({len(spec.arrays)} arrays)"
    options = [f"{k}={v}" for k, v in spec.conv.options if k in ("kernel_num", "config")]
    classes = f"{spec.num_classes} classes" if spec.num_classes else "without a head"
    return f"{spec.name} ({', '.join([*options, classes])})"
