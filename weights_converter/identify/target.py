"""Which model a checkpoint is of: the one that was asked for, that it names, or that it shows."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from odconv_spec import BackboneSpec, list_models
from odconv_spec.detectors import DetectorSpec, network_from_json
from weights_converter.arrays.tensor import Checkpoint
from weights_converter.errors import DamagedError, RefusedError, UsageError, legible
from weights_converter.formats.files.budget import Budget
from weights_converter.formats.files.strict_json import parsed
from weights_converter.formats.paddle.sidecar import sidecar
from weights_converter.identify.backbones import Stages, infer_spec, same_model, with_stages
from weights_converter.identify.bodies import headless, infer_body
from weights_converter.identify.contradictions import ASKED, Claim
from weights_converter.identify.detectors import infer_detector
from weights_converter.identify.lone_layers import infer_layer
from weights_converter.identify.manifest import (
    VERSION_KEY,
    Manifest,
    manifest_from_json,
    read_manifest,
    read_text,
)
from weights_converter.identify.model_arrays import Target, canonical_shapes
from weights_converter.identify.request import Request
from weights_converter.names.dialects import translated

_LONGEST_SPEC: Final = 1 << 16  # letters; that of a ResNet-101 has some hundreds


def target_of(checkpoint: Checkpoint, request: Request) -> Target:
    """The spec or manifest that was asked for, that the file names, or that its arrays show.

    Raises:
        UsageError: what was asked for is no model.
        MismatchError: the arrays are of none, or of another than was asked for.
        DamagedError: the file names one that this version does not know.
    """
    model, stages = request.model, request.stages
    given = isinstance(model, (BackboneSpec, DetectorSpec, Manifest))
    if (given or Path(str(model)).suffix == ".json") and stages is not None:
        raise UsageError(
            "stages: expected a model by name beside it, received a spec, which has its own table",
            help="leave the stages out",
        )
    if isinstance(model, (BackboneSpec, DetectorSpec, Manifest)):
        return model
    if model is not None and Path(model).suffix == ".json":
        return read_target(Path(model))
    _check_stages(stages)
    if model is not None and str(model) not in list_models():
        near = get_close_matches(str(model), list_models(), n=3)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise UsageError(
            f"unknown model {str(model)!r}: expected a name or a .json file with a spec",
            help=f"{hint}`odconv models` lists the names",
        )
    spec = _named_in(checkpoint) if stages is None else None
    if spec is None and model is None:  # one that names a backbone asks for the body
        spec = infer_detector(checkpoint, stages)
    if spec is None:
        spec = _inferred(canonical_shapes(translated(checkpoint)), stages)
    if model is not None and spec.name != headless(str(model)):
        same_model(str(model), spec, own_table=stages is not None)
    return spec


def claim_of(checkpoint: Checkpoint, request: Request) -> Claim:
    """Who says which model `target_of` found, where the arrays do not."""
    if request.names_model:
        return ASKED
    beside = legible(sidecar(checkpoint.path).name)
    other = f"remove {beside} if it is of another file"
    help = other if checkpoint.format == "pdparams" else "ask for what it holds: --model NAME"
    return Claim("its metadata name", help)


def read_target(path: Path) -> Target:
    """The spec or the manifest in a JSON file. Raises UsageError where it holds neither."""
    text = read_text(path)
    if f'"{VERSION_KEY}"' in text:
        return read_manifest(path)
    try:
        return network_from_json(text)
    except ValueError as error:
        raise UsageError(f"{legible(str(path))} holds no model spec: {error}") from error


def _check_stages(stages: Stages | None) -> None:
    """Raises UsageError for a table that no family can have of those whose files do not show it."""
    if stages is None:
        return
    errors = []
    for family in with_stages():
        try:
            given: dict[str, Any] = {"stages": tuple(map(tuple, stages))}
            family(**given)
        except (TypeError, ValueError) as error:
            errors.append(error)
    if len(errors) == len(with_stages()):
        raise UsageError(str(errors[0])) from errors[0]


def _inferred(shapes: Mapping[str, tuple[int, ...]], stages: Stages | None) -> Target:
    layer = infer_layer(shapes)
    if layer is not None:
        return Manifest.of_layer(layer)
    return infer_body(shapes, stages) or infer_spec(shapes, stages)


def _trained(checkpoint: Checkpoint) -> str | None:
    """The spec in the progress that a training of ours keeps beside the arrays, if it is one."""
    text = checkpoint.scalars.get("odconv")
    if not isinstance(text, str) or len(text) > _LONGEST_SPEC:
        return None
    try:
        progress = parsed(text.encode("utf-8", "surrogatepass"), Budget(len(text), RefusedError))
    except ValueError:
        return None
    spec = progress.get("spec") if isinstance(progress, dict) else None
    if not isinstance(spec, str) or '"categories"' in spec:
        return None  # a training of detectors has words of its own for what their arrays show
    return spec


def _named_in(checkpoint: Checkpoint) -> Target | None:
    spec = checkpoint.metadata.get("odconv.spec") or _trained(checkpoint)
    manifest = checkpoint.metadata.get(VERSION_KEY)
    try:
        if spec is not None and len(spec) > _LONGEST_SPEC:
            raise ValueError(f"its spec has {len(spec)} letters")
        if spec is not None:
            return network_from_json(spec)
        return None if manifest is None else manifest_from_json(manifest)
    except ValueError as error:
        name = legible(checkpoint.path.name)
        raise DamagedError(
            f"{name} names a model that this version does not know: {error}"
        ) from error
