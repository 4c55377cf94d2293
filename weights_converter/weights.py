"""A checkpoint of any format as the canonical arrays of a known model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from odconv_spec import BackboneSpec, MobileNetV2Spec, Parameter, from_json, list_models
from weights_converter import formats
from weights_converter.check import Form, check
from weights_converter.companions import companions
from weights_converter.dtypes import Array
from weights_converter.errors import (
    DamagedError,
    FileError,
    MismatchError,
    UsageError,
    legible,
)
from weights_converter.inference import Stages, describe, infer_spec, same_model
from weights_converter.layouts import LAYOUTS, Layout
from weights_converter.naming import canonical_parameters
from weights_converter.tensor import Checkpoint, Tensor

Model = str | Path | BackboneSpec | None


@dataclass(frozen=True)
class Weights:
    """Every array of `spec`, in its order, under canonical names and in canonical axes.

    `companions` are arrays that the source's framework keeps beside them, under the file's names.
    """

    spec: BackboneSpec
    tensors: Mapping[str, Tensor]
    companions: Mapping[str, Tensor]
    source: Checkpoint


def open_weights(
    path: str | Path, model: Model = None, stages: Stages | None = None, key: str | None = None
) -> Weights:
    """Reads a checkpoint's index, finds its model, and checks names and shapes. Loads no array.

    Args:
        path: the file.
        model: a name, a spec, or a JSON file with a spec; None finds it out.
        stages: the stage table of a MobileNetV2 that is not the published one.
        key: which state dict to take from a file with several.

    Raises:
        MismatchError: the arrays are not those of the model.
        ConverterError: the file cannot be read; see `weights_converter.errors`.
    """
    checkpoint = formats.read(path, key)
    spec = resolve_spec(checkpoint, model, stages)
    parameters = spec.parameters()
    what = f"{legible(checkpoint.path.name)} for {describe(spec)}"
    return Weights(
        spec,
        canonical_tensors(checkpoint, parameters, what),
        {
            companion.name: checkpoint.tensors[companion.name]
            for companion in companions(LAYOUTS[checkpoint.layout], parameters)
            if companion.name in checkpoint.tensors
        },
        checkpoint,
    )


def resolve_spec(checkpoint: Checkpoint, model: Model, stages: Stages | None) -> BackboneSpec:
    """The spec that was given, that the file names, or that its arrays show."""
    whole = isinstance(model, BackboneSpec) or Path(model or "").suffix == ".json"
    if whole and stages is not None:
        raise UsageError("a spec has a stage table of its own", help="drop the stages option")
    if isinstance(model, BackboneSpec):
        return model
    if model is not None and whole:
        return read_spec(Path(model))
    _check_stages(stages)
    if model is not None and str(model) not in list_models():
        raise UsageError(
            f"unknown model {str(model)!r}: expected a name or a .json file with a spec",
            help="`odconv models` lists the names",
        )
    spec = _named_in(checkpoint) if stages is None else None
    if spec is None:
        spec = infer_spec(canonical_shapes(checkpoint), stages)
    if model is not None:
        same_model(str(model), spec, own_table=stages is not None)
    return spec


def _check_stages(stages: Stages | None) -> None:
    """Raises UsageError for a table that no MobileNetV2 can have."""
    if stages is None:
        return
    try:
        MobileNetV2Spec(stages=tuple(map(tuple, stages)))
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from error


def read_spec(path: Path) -> BackboneSpec:
    """The spec in a JSON file. Raises UsageError where it holds none."""
    try:
        return from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"{legible(str(path))}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{legible(str(path))} holds no model spec: {error}") from error


def canonical_shapes(checkpoint: Checkpoint) -> dict[str, tuple[int, ...]]:
    """Canonical name -> canonical shape of every array that has a role."""
    shapes = {name: tensor.shape for name, tensor in checkpoint.tensors.items()}
    found = canonical_parameters(shapes, LAYOUTS[checkpoint.layout])
    return {parameter.name: parameter.shape for parameter in found.values()}


def canonical_tensors(
    checkpoint: Checkpoint, parameters: Iterable[Parameter], what: str
) -> dict[str, Tensor]:
    """The checkpoint's arrays for `parameters`. Raises MismatchError unless they fit exactly."""
    layout = LAYOUTS[checkpoint.layout]
    parameters = tuple(parameters)
    expected = {
        layout.stored_name(p): Form(layout.stored_shape(p.role, p.shape)) for p in parameters
    } | {
        companion.name: Form(companion.default.shape)
        for companion in companions(layout, parameters)
        if companion.name in checkpoint.tensors
    }
    found = {name: Form(tensor.shape, tensor.dtype) for name, tensor in checkpoint.tensors.items()}
    check(expected, found, what)
    tensors = checkpoint.tensors
    return {p.name: _canonical(tensors[layout.stored_name(p)], p, layout) for p in parameters}


def stored_tensor(tensor: Tensor, parameter: Parameter, layout: Layout) -> Tensor:
    """A canonical tensor as `layout` stores it; its values are still read only when asked for."""

    def load() -> Array:
        return layout.to_stored(parameter.role, tensor.load())

    shape = layout.stored_shape(parameter.role, parameter.shape)
    return Tensor(layout.stored_name(parameter), tensor.dtype, shape, load)


def _canonical(tensor: Tensor, parameter: Parameter, layout: Layout) -> Tensor:
    def load() -> Array:
        return layout.to_canonical(parameter.role, tensor.load())

    return Tensor(parameter.name, tensor.dtype, parameter.shape, load)


def _named_in(checkpoint: Checkpoint) -> BackboneSpec | None:
    text = checkpoint.metadata.get("odconv.spec")
    if text is None:
        return None
    try:
        return from_json(text)
    except ValueError as error:
        raise DamagedError(
            f"{checkpoint.path.name} names a model that this version does not know: {error}"
        ) from error


def temperature_of(weights: Weights) -> float:
    """The temperature that the file tells of, 1 where it tells nothing.

    Raises:
        MismatchError: the layers of a Keras file have several temperatures.
        DamagedError: the temperature is not a positive number.
    """
    name = weights.source.path.name
    values = {weights.source.metadata.get("odconv.temperature", "1.0")}
    if weights.source.layout == "keras" and weights.companions:
        values = {str(tensor.load()) for tensor in weights.companions.values()}
    if len(values) > 1:
        raise MismatchError(
            f"{name} has layers of temperatures {', '.join(sorted(values))}; expected one",
            help="set_temperature(model, t) before saving",
        )
    return _temperature(values.pop(), name)


def _temperature(text: str, name: str) -> float:
    try:
        temperature = float(text)
    except ValueError:
        temperature = math.nan
    if not (temperature > 0 and math.isfinite(temperature)):
        raise DamagedError(f"{name}: expected a positive temperature, found {legible(text)}")
    return temperature
