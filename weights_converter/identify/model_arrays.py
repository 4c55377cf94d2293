"""A checkpoint that has the names of a known model, as its canonical arrays."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from odconv_spec import BackboneSpec, Parameter, Role
from odconv_spec.detectors import DetectorSpec, network_to_json
from odconv_spec.schedule import Annealing, annealing_of
from weights_converter.arrays.dtypes import Array
from weights_converter.arrays.tensor import Checkpoint, Tensor
from weights_converter.errors import DamagedError, MismatchError, legible
from weights_converter.identify.backbones import describe
from weights_converter.identify.contradictions import Claim, contradiction
from weights_converter.identify.manifest import VERSION_KEY, Manifest
from weights_converter.names.companions import companions
from weights_converter.names.grammar import canonical_parameters
from weights_converter.names.layouts import LAYOUTS, Layout
from weights_converter.names.mismatch import Form, check

Target = BackboneSpec | DetectorSpec | Manifest
_LEAVE_OUT = "leave out what is no part of the model, such as by --ignore 'criterion.*'"


@dataclass(frozen=True)
class Weights:
    """Every array of `spec`, in its order, under canonical names and in canonical axes.

    `spec` is that of a backbone or a detector, or the manifest of another network, and `parameters`
    what it stores. `companions` are arrays that the source's framework keeps beside them, under the
    file's names.
    """

    spec: Target
    parameters: tuple[Parameter, ...]
    tensors: Mapping[str, Tensor]
    companions: Mapping[str, Tensor]
    source: Checkpoint

    @property
    def dynamic(self) -> bool:
        """Whether there are layers that mix kernels or cells, and so may have a temperature."""
        return any(p.role in (Role.EXPERT_KERNELS, Role.CELLS) for p in self.parameters)


def known_weights(
    checkpoint: Checkpoint, target: Target, parameters: tuple[Parameter, ...], claim: Claim
) -> Weights:
    """The arrays of a model from a file that has its names. Loads none.

    Args:
        checkpoint: with translated names.
        target: what it is of.
        parameters: that the target stores.
        claim: who says so.

    Raises:
        MismatchError: the arrays are not those of the model.
    """
    return Weights(
        target,
        parameters,
        _tensors_of(checkpoint, target, parameters, claim),
        {
            companion.name: checkpoint.tensors[companion.name]
            for companion in companions(LAYOUTS[checkpoint.layout], parameters)
            if companion.name in checkpoint.tensors
        },
        checkpoint,
    )


def _tensors_of(
    checkpoint: Checkpoint, spec: Target, parameters: tuple[Parameter, ...], claim: Claim
) -> dict[str, Tensor]:
    """The arrays of `spec`. Raises MismatchError, which says which option contradicts the file."""
    what = f"{legible(checkpoint.path.name)} for {describe(spec)}"
    dtypes = spec.dtypes if isinstance(spec, Manifest) else {}
    try:
        return canonical_tensors(checkpoint, parameters, what, dtypes)
    except MismatchError as error:
        explained = isinstance(spec, BackboneSpec) and contradiction(
            spec, canonical_shapes(checkpoint), legible(checkpoint.path.name), claim
        )
        if explained:
            raise explained from error
        layout = LAYOUTS[checkpoint.layout]
        stored = {layout.stored_name(parameter) for parameter in parameters}
        beside = {companion.name for companion in companions(layout, parameters)}
        if checkpoint.tensors.keys() - beside > stored:
            raise MismatchError(str(error), help=_LEAVE_OUT) from error
        raise


def target_metadata(target: Target) -> dict[str, str]:
    """What tells a later reader of a file which model it is of."""
    if isinstance(target, Manifest):
        return {VERSION_KEY: json.dumps(target.to_dict(), sort_keys=True)}
    return {"odconv.spec": network_to_json(target)}


def canonical_shapes(checkpoint: Checkpoint) -> dict[str, tuple[int, ...]]:
    """Canonical name -> canonical shape of every array that has a role."""
    shapes = {name: tensor.shape for name, tensor in checkpoint.tensors.items()}
    found = canonical_parameters(shapes, LAYOUTS[checkpoint.layout])
    return {parameter.name: parameter.shape for parameter in found.values()}


def named_tensors(checkpoint: Checkpoint) -> tuple[dict[str, Tensor], bool]:
    """The arrays of a model that is not known, and whether any has a role.

    Those with a role have canonical names and axes, the others those in the file.
    """
    layout = LAYOUTS[checkpoint.layout]
    shapes = {name: tensor.shape for name, tensor in checkpoint.tensors.items()}
    found = canonical_parameters(shapes, layout)
    tensors = [
        _canonical(tensor, found[name], layout) if name in found else tensor
        for name, tensor in checkpoint.tensors.items()
    ]
    return {tensor.name: tensor for tensor in tensors}, bool(found)


def canonical_tensors(
    checkpoint: Checkpoint,
    parameters: Iterable[Parameter],
    what: str,
    dtypes: Mapping[str, str],
) -> dict[str, Tensor]:
    """The checkpoint's arrays for `parameters`. Raises MismatchError unless they fit exactly.

    Args:
        checkpoint: with translated names.
        parameters: of the model.
        what: the subject of the message.
        dtypes: canonical name -> tag, of arrays that may have no other.
    """
    layout, tensors = LAYOUTS[checkpoint.layout], checkpoint.tensors
    parameters = tuple(parameters)
    expected = {
        layout.stored_name(p): Form(stored_shape_of(p, layout, tensors), dtypes.get(p.name, ""))
        for p in parameters
    } | {
        companion.name: Form(companion.default.shape)
        for companion in companions(layout, parameters)
        if companion.name in tensors
    }
    found = {name: Form(tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
    check(expected, found, what)
    return {p.name: _canonical(tensors[layout.stored_name(p)], p, layout) for p in parameters}


def stored_shape_of(
    parameter: Parameter, layout: Layout, tensors: Mapping[str, Tensor]
) -> tuple[int, ...]:
    """The shape to expect: that of joined axes where the file has an array with as few axes."""
    found = tensors.get(layout.stored_name(parameter))
    if found is not None and layout.is_flat(parameter, found.shape):
        return layout.flat_shape(parameter)
    return layout.stored_shape(parameter.role, parameter.shape)


def stored_tensor(tensor: Tensor, parameter: Parameter, layout: Layout) -> Tensor:
    """A canonical tensor as `layout` stores it; its values are still read only when asked for."""

    def load() -> Array:
        return layout.to_stored(parameter.role, tensor.load())

    shape = layout.stored_shape(parameter.role, parameter.shape)
    return Tensor(layout.stored_name(parameter), tensor.dtype, shape, load)


def _canonical(tensor: Tensor, parameter: Parameter, layout: Layout) -> Tensor:
    flat = layout.is_flat(parameter, tensor.shape)

    def load() -> Array:
        if flat:
            return layout.from_flat(parameter, tensor.load())
        return layout.to_canonical(parameter.role, tensor.load())

    return Tensor(parameter.name, tensor.dtype, parameter.shape, load)


def temperature_of(weights: Weights) -> float:
    """The temperature that the file records, that of inference where it records none.

    See below for errors.
    """
    recorded = recorded_temperature(weights)
    return annealing_of(weights.parameters).rest if recorded is None else recorded


def recorded_temperature(weights: Weights) -> float | None:
    """That of the converter's metadata, of Keras' layers, or of a checkpoint of our training.

    Raises:
        MismatchError: the layers of a Keras file have several temperatures.
        DamagedError: no layers could have the temperature.
    """
    name = weights.source.path.name
    source = weights.source
    told = source.metadata.get("odconv.temperature")
    values = set() if told is None else {told}
    if source.layout in ("keras", "tensorflow") and weights.companions:
        values = {str(tensor.load()) for tensor in weights.companions.values()}
    elif not values and "odconv" in source.scalars and "temperature" in source.scalars:
        values = {str(source.scalars["temperature"])}
    if len(values) > 1:
        raise MismatchError(
            f"{name} has layers of temperatures {', '.join(sorted(values))}; expected one",
            help="set_temperature(model, t) before saving",
        )
    annealing = annealing_of(weights.parameters)
    return _temperature(values.pop(), annealing, name) if values else None


def _temperature(text: str, annealing: Annealing, name: str) -> float:
    try:
        temperature = float(text)
        annealing.check(temperature)
    except ValueError as error:
        wanted = "temperature in [0, 1]" if annealing.blends else "positive temperature"
        raise DamagedError(f"{name}: expected a {wanted}, found {legible(text)}") from error
    return temperature
