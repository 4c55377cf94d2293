"""A checkpoint of any format into a live model of any framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from odconv_spec import BackboneSpec
from weights_converter.arrays import casting
from weights_converter.arrays.dtypes import Array
from weights_converter.arrays.precision import FLOATS
from weights_converter.arrays.tensor import Checkpoint, Tensor
from weights_converter.errors import ConverterError, MismatchError, RefusedError, UsageError
from weights_converter.formats.files.open_files import kept_open
from weights_converter.identify.manifest import Manifest
from weights_converter.identify.model_arrays import Weights, recorded_temperature
from weights_converter.identify.open_model import open_checkpoint, weights_of
from weights_converter.identify.request import Request
from weights_converter.live.arrays import adapter_of, assign, framework_of, manifest, slots
from weights_converter.live.heads import check_head, spec_of, weights_without_head
from weights_converter.names.companions import COMPANIONS, companions
from weights_converter.names.layouts import KERAS, LAYOUTS

_BUT_FOR_THE_HEAD: Final = (
    "all but the head fits: head='skip' loads it, and leaves the model its own head"
)


@dataclass(frozen=True)
class Loaded:
    """What `load_into` did beside giving a model its arrays.

    Attributes:
        dropped: name of each array of the file that the model did not get -> why.
        defaulted: name of each array of the model that the file does not have, and that is as it
            was -> what it is.
        notes: what was unwrapped or left out.
        skipped: names of the arrays of the model's own head, where `head="skip"` left it.
        temperature: that the file records and the model has now; None where it records none, and
            the model keeps its own.

    Example:
        >>> from odconv_spec import from_json
        >>> from pathlib import Path
        >>> from odconv_torch.models import build_model
        >>> model = build_model(from_json(Path("odconv_demo/digits.json").read_text()))
        >>> loaded = load_into(model, "odconv_demo/digits.pth.tar")
        >>> loaded.temperature, loaded.skipped
        (None, ())
    """

    dropped: Mapping[str, str]
    defaulted: Mapping[str, str]
    notes: tuple[str, ...]
    skipped: tuple[str, ...]
    temperature: float | None


def load_into(
    model: Any, source: str | Path | Request, *, head: str = "strict", cast: bool = False
) -> Loaded:
    """Loads a checkpoint of any format into a model of any framework, all of it or nothing.

    Args:
        model: our backbone, a lone layer, or a network with our layers in it.
        source: a checkpoint whose arrays are exactly those of the model.
        head: "skip", for one of our backbones or a body (`features_only=True`), leaves the model
            its own head, even where that of the file fits. The head alone may differ then; what
            lies behind the last map of a body is left out, too, and so is whatever a larger network
            such as a detector has beside its backbone.
        cast: rounds floats to the dtype that the model has; without it another dtype is an error.

    Returns:
        What was dropped, what the file did not have, and the temperature that was set.

    Raises:
        MismatchError: the arrays are not those of the model, which is then unchanged; or the file
            has several networks that fit.
        UsageError: `head` is another word, or is "skip" for a model that is none of ours.
        RefusedError: a number would become infinite by the cast.
        ConverterError: the file cannot be read.

    Example:
        >>> from pathlib import Path
        >>> from odconv_spec import from_json
        >>> from odconv_torch.models import build_model
        >>> spec = from_json(Path("odconv_demo/digits.json").read_text())
        >>> load_into(build_model(spec), "odconv_demo/digits.pth.tar").dropped
        {}

        A classifier of one's own begins with the layers of a published one:

        >>> from dataclasses import replace
        >>> model = build_model(replace(spec, num_classes=3))
        >>> list(load_into(model, "odconv_demo/digits.pth.tar", head="skip").dropped)
        ['classifier.1.weight', 'classifier.1.bias']
    """
    return load_checkpoint(model, open_checkpoint(source), head=head, cast=cast)


def load_checkpoint(
    model: Any, checkpoint: Checkpoint, *, head: str = "strict", cast: bool = False
) -> Loaded:
    """`load_into` for a checkpoint that is open already."""
    check_head(head)
    target = _target(model, checkpoint)
    asked = replace(target, dtypes={}) if cast else target
    weights = _weights(model, checkpoint, asked, head)
    temperature = recorded_temperature(weights)
    with kept_open():
        arrays = {name: _cast(t, target.dtypes[name]) for name, t in weights.tensors.items()}
        counters = _counters(model, weights)
    own = {name: s.read() for name, s in slots(model).items() if name not in arrays}
    assign(model, {**own, **arrays})
    if counters:
        adapter_of(model).set_counters(model, counters)
    if temperature is not None and weights.dynamic:
        adapter_of(model).set_temperature(model, temperature)
    return Loaded(
        dropped={**weights.source.left_out, **_dropped(model, weights)},
        defaulted={
            **dict.fromkeys(own, "the model's own head, left as it was by head='skip'"),
            **_defaulted(model, weights, temperature),
        },
        notes=weights.source.notes,
        skipped=tuple(own),
        temperature=temperature,
    )


def _weights(model: Any, checkpoint: Checkpoint, target: Manifest, head: str) -> Weights:
    spec = spec_of(model)
    if head == "strict":
        try:
            return weights_of(checkpoint, target)
        except MismatchError as error:
            if spec is not None and _fits_without_head(checkpoint, target, spec):
                raise MismatchError(str(error), help=_BUT_FOR_THE_HEAD) from error
            raise
    if spec is None:
        raise UsageError(
            f"head='skip': expected a backbone of create_model or its body, received {type(model)}",
            help="which layer is the head of another network, nothing says",
        )
    return weights_without_head(checkpoint, target, spec)


def _fits_without_head(checkpoint: Checkpoint, target: Manifest, spec: BackboneSpec) -> bool:
    try:
        weights_without_head(checkpoint, target, spec)
    except ConverterError:
        return False
    return True


def _target(model: Any, checkpoint: Checkpoint) -> Manifest:
    """The model's arrays, under the names of its own files where the file is one of them."""
    if checkpoint.layout == "keras" == framework_of(model):
        own = manifest(model)
        if all(KERAS.stored_name(parameter) in checkpoint.tensors for parameter in own.arrays):
            return own
    return manifest(model, own_paths=False)


def _cast(tensor: Tensor, tag: str) -> Array:
    """The values as the model holds them, if both are floats."""
    array = tensor.load()
    if not {tensor.dtype, tag} <= FLOATS:
        return array
    result = casting.cast(array, tensor.dtype, tag)
    lost = casting.loss(array, tensor.dtype, result, tag)
    if lost.overflowed:
        raise RefusedError(
            f"{tensor.name}: {lost.overflowed} values are too large for the model's {tag}",
            help="give the model another dtype",
        )
    return result


def _counters(model: Any, weights: Weights) -> dict[str, Array]:
    """What torch counts, where both the file and the model are torch's."""
    if not framework_of(model) == weights.source.layout == "torch":
        return {}
    return {name: tensor.load() for name, tensor in weights.companions.items()}


def _dropped(model: Any, weights: Weights) -> dict[str, str]:
    if weights.source.layout != "torch" or framework_of(model) == "torch":
        return {}  # the temperatures of Keras are in `Loaded.temperature`
    return dict.fromkeys(weights.companions, COMPANIONS["torch"])


def _defaulted(model: Any, weights: Weights, temperature: float | None) -> dict[str, str]:
    framework = framework_of(model)
    if framework == "keras" and temperature is not None:
        return {}
    beside = [c.name for c in companions(LAYOUTS[framework], weights.parameters)]
    known = weights.companions if framework == weights.source.layout else {}
    return {name: COMPANIONS[framework] for name in beside if name not in known}
