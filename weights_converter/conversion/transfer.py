"""What goes from a checkpoint to a destination, and what has no counterpart on one side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from odconv_spec.schedule import annealing_of
from weights_converter.arrays.casting import cast_tag
from weights_converter.arrays.dtypes import Array
from weights_converter.arrays.tensor import Tensor, TensorInfo
from weights_converter.conversion.provenance import KEY, Provenance, created
from weights_converter.conversion.report import Remark
from weights_converter.identify.class_names import KEY as CLASS_NAMES
from weights_converter.identify.class_names import class_names_of, to_text
from weights_converter.identify.manifest import Manifest
from weights_converter.identify.model_arrays import (
    Target,
    Weights,
    target_metadata,
    temperature_of,
)
from weights_converter.names.companions import COMPANIONS, Companion, companions
from weights_converter.names.layouts import LAYOUTS
from weights_converter.names.mixers import path_with_temperature
from weights_converter.release import release


@dataclass(frozen=True)
class Transfer:
    """The arrays of `weights` on their way to a file with the axes of `layout`.

    Attributes:
        weights: of the source.
        spec: of the model in the destination; a manifest tells of dtypes after the cast.
        layout: name of the destination's.
        dtype: "keep", or what floats are cast to.
        companions: arrays that the destination's framework stores beside the model's.
        temperature: that the source tells of.
        class_names: that the source tells of, in the order of the logits.
    """

    weights: Weights
    spec: Target
    layout: str
    dtype: str
    companions: tuple[Companion, ...]
    temperature: float
    class_names: tuple[str, ...] = ()

    @classmethod
    def of(cls, weights: Weights, layout: str, dtype: str) -> Transfer:
        spec = weights.spec
        if isinstance(spec, Manifest):
            after = {name: cast_tag(weights.tensors[name].dtype, dtype) for name in spec.dtypes}
            spec = replace(spec, dtypes=after)
        beside = companions(LAYOUTS[layout], weights.parameters)
        names = class_names_of(weights.source)
        return cls(weights, spec, layout, dtype, beside, temperature_of(weights), names)

    def tag_of(self, name: str) -> str:
        """The dtype of the array after its cast."""
        return cast_tag(self.weights.tensors[name].dtype, self.dtype)

    @cached_property
    def stored(self) -> Mapping[str, TensorInfo]:
        """Canonical name -> the array as the destination stores it, in the model's order."""
        layout = LAYOUTS[self.layout]
        return {
            parameter.name: TensorInfo(
                layout.stored_name(parameter),
                self.tag_of(parameter.name),
                layout.stored_shape(parameter.role, parameter.shape),
            )
            for parameter in self.weights.parameters
        }

    def beside(self) -> tuple[Tensor, ...]:
        """The companions: those of the source where it has them, else their defaults."""
        kept = self._kept()
        return tuple(
            kept.get(companion.name) or Tensor.of(companion.name, self._default(companion))
            for companion in self.companions
        )

    def dropped(self) -> tuple[Remark, ...]:
        """Arrays of the source that the destination has no place for, or that were left out."""
        source = self.weights.source
        lost = self.weights.companions.keys() - self._kept().keys()
        companions = [name for name in self.weights.companions if name in lost]
        return (
            *(Remark(name, reason) for name, reason in source.left_out.items()),
            *(Remark(name, COMPANIONS[source.layout], True) for name in companions),
        )

    def defaulted(self) -> tuple[Remark, ...]:
        """Arrays of the destination that the source does not have."""
        kept = self._kept()
        return tuple(
            Remark(companion.name, f"{COMPANIONS[self.layout]}: {self._default(companion)}", True)
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
        if self.class_names and target == "paddle":
            yield "the file has no place for the names of its classes: the sidecar has them"
        temperature = self.temperature
        if not self._anneals():
            return
        if source != "keras" and target == "keras":
            yield f"the temperature, which Keras stores in its layers, starts at {temperature:g}"
        annealing = annealing_of(self.weights.parameters)
        if annealing.blends:
            yield "which cells mixtures start as is in no file: it follows from the layers' order"
        if target == "paddle" and temperature != annealing.rest:
            yield (
                f"the file has no place for temperature {temperature:g}: the sidecar has it, which "
                f"load_into reads and paddle.load does not"
            )
        epoch = self.weights.source.scalars.get("epoch")
        if isinstance(epoch, int) and epoch < annealing.epochs:
            yield (
                f"the checkpoint is of epoch {epoch}; the published training reaches temperature "
                f"{annealing.end:g} after {annealing.epochs} epochs, so set_temperature() may be "
                "needed to reproduce it"
            )

    def provenance(self, source_sha256: str | None, sums: Mapping[str, str]) -> Provenance:
        """Where the destination comes from; `sums` are the digests of its arrays by name."""
        source = self.weights.source
        return Provenance(
            tool=release(),
            source=source.path.name,
            source_sha256=source_sha256,
            source_format=source.format,
            dtype=self.dtype,
            dropped=tuple(remark.name for remark in self.dropped()),
            defaulted=tuple(remark.name for remark in self.defaulted()),
            sha256=sums,
            created=created(),
        )

    def metadata(self, provenance: Provenance) -> dict[str, str]:
        """Text for the destination, or its sidecar."""
        names = {CLASS_NAMES: to_text(self.class_names)} if self.class_names else {}
        return (
            target_metadata(self.spec)
            | names
            | {
                "format": "pt",  # safetensors' own key: the axes are PyTorch's
                "odconv.version": provenance.tool.removeprefix("odconv "),
                "odconv.temperature": repr(self.temperature),
                KEY: provenance.text(),
            }
        )

    def _kept(self) -> Mapping[str, Tensor]:
        return self.weights.companions if self.weights.source.layout == self.layout else {}

    def _default(self, companion: Companion) -> Array:
        if self.layout == "keras":
            return np.asarray(self.temperature, companion.default.dtype)
        return companion.default

    def _anneals(self) -> bool:
        """Whether the model has attentions, which a temperature softens."""
        return any(path_with_temperature(parameter.name) for parameter in self.weights.parameters)
