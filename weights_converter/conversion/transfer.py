"""What goes from a checkpoint to a destination, and what has no counterpart on one side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from odconv_spec import Parameter
from weights_converter.arrays.dtypes import Array
from weights_converter.arrays.tensor import Tensor
from weights_converter.conversion.provenance import KEY, Provenance
from weights_converter.conversion.report import Remark
from weights_converter.conversion.survey import Survey
from weights_converter.identify.manifest import Manifest
from weights_converter.identify.model_arrays import (
    Target,
    Weights,
    stored_tensor,
    target_metadata,
    temperature_of,
)
from weights_converter.names.companions import Companion, attention_of, companions
from weights_converter.names.layouts import LAYOUTS

_ANNEALED = 10  # epochs after which the published training has cooled to temperature 1
_COMPANIONS = MappingProxyType(
    {
        "torch": "the number of batches that torch alone counts",
        "keras": "the temperature, which Keras alone stores as an array",
        "tensorflow": "the temperature, which Keras alone stores as an array",
    }
)


@dataclass(frozen=True)
class Transfer:
    """The arrays of `weights` on their way to a file with the axes of `layout`.

    Attributes:
        weights: of the source.
        spec: of the model in the destination; a manifest tells of dtypes after the cast.
        layout: name of the destination's.
        parameters: of the model, in its order.
        companions: arrays that the destination's framework stores beside them.
        carried: canonical name -> array after its cast.
    """

    weights: Weights
    spec: Target
    layout: str
    parameters: tuple[Parameter, ...]
    companions: tuple[Companion, ...]
    carried: Mapping[str, Tensor]

    @classmethod
    def of(cls, weights: Weights, layout: str, survey: Survey) -> Transfer:
        carried = {name: survey.surveyed(tensor) for name, tensor in weights.tensors.items()}
        spec = weights.spec
        if isinstance(spec, Manifest):
            spec = replace(spec, dtypes={name: carried[name].dtype for name in spec.dtypes})
        beside = companions(LAYOUTS[layout], weights.parameters)
        return cls(weights, spec, layout, weights.parameters, beside, carried)

    @property
    def temperature(self) -> float:
        return temperature_of(self.weights)

    def stored(self) -> Iterator[Tensor]:
        """Every array as the destination stores it, its companions last."""
        layout = LAYOUTS[self.layout]
        for parameter in self.parameters:
            yield stored_tensor(self.carried[parameter.name], parameter, layout)
        for companion in self.companions:
            kept = self._kept().get(companion.name)
            yield kept or Tensor.of(companion.name, self._default(companion))

    def dropped(self) -> tuple[Remark, ...]:
        """Arrays of the source that the destination has no place for, or that were left out."""
        source = self.weights.source
        lost = self.weights.companions.keys() - self._kept().keys()
        companions = [name for name in self.weights.companions if name in lost]
        return (
            *(Remark(name, reason) for name, reason in source.left_out.items()),
            *(Remark(name, _COMPANIONS[source.layout]) for name in companions),
        )

    def defaulted(self) -> tuple[Remark, ...]:
        """Arrays of the destination that the source does not have."""
        kept = self._kept()
        return tuple(
            Remark(companion.name, f"{_COMPANIONS[self.layout]}: {self._default(companion)}")
            for companion in self.companions
            if companion.name not in kept
        )

    def notes(self) -> Iterator[str]:
        """What a user should know, a line each."""
        source, target = self.weights.source.layout, self.layout
        if source == "torch" and target != "torch" and self.weights.companions:
            count = len(self.weights.companions)
            yield f"dropped {count} num_batches_tracked, which only torch has"
        if source != "torch" and target == "torch":
            yield "num_batches_tracked, which only torch has, starts at 0"
        temperature = self.temperature
        if not self._anneals():
            return
        if source != "keras" and target == "keras":
            yield f"the temperature, which Keras stores in its layers, starts at {temperature:g}"
        if target == "paddle" and temperature != 1:
            yield f"the file has no place for temperature {temperature:g}: set it after loading"
        epoch = self.weights.source.scalars.get("epoch")
        if isinstance(epoch, int) and epoch < _ANNEALED:
            yield (
                f"the checkpoint is of epoch {epoch}; the published training reaches temperature 1 "
                f"after {_ANNEALED} epochs, so set_temperature() may be needed to reproduce it"
            )

    def metadata(self, provenance: Provenance) -> dict[str, str]:
        """Text for the destination, or its sidecar."""
        return target_metadata(self.spec) | {
            "format": "pt",  # safetensors' own key: the axes are PyTorch's
            "odconv.version": provenance.tool.removeprefix("odconv "),
            "odconv.temperature": repr(self.temperature),
            KEY: provenance.text(),
        }

    def _kept(self) -> Mapping[str, Tensor]:
        return self.weights.companions if self.weights.source.layout == self.layout else {}

    def _default(self, companion: Companion) -> Array:
        if self.layout == "keras":
            return np.asarray(self.temperature, companion.default.dtype)
        return companion.default

    def _anneals(self) -> bool:
        """Whether the model has attentions, which a temperature softens."""
        return any(attention_of(parameter.name) for parameter in self.parameters)
