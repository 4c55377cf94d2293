"""From a checkpoint of one framework to a checkpoint of another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol

import numpy as np

from odconv_spec import BackboneSpec, to_json
from weights_converter import formats
from weights_converter.companions import companions
from weights_converter.dtypes import Array
from weights_converter.errors import FileError, UsageError, legible
from weights_converter.inference import Stages, describe
from weights_converter.layouts import LAYOUTS
from weights_converter.tensor import Tensor
from weights_converter.verification import Comparison, compare
from weights_converter.weights import (
    Model,
    Weights,
    open_weights,
    stored_tensor,
    temperature_of,
)

LAYOUT_OF_FORMAT = {
    "torch": "torch",
    "safetensors": "torch",
    "pdparams": "paddle",
    "keras-h5": "keras",
}
_ANNEALED = 10  # epochs after which the published training has cooled to temperature 1


class Progress(Protocol):
    """What shows how far a conversion is, such as a bar of tqdm."""

    def reset(self, total: float | None = None) -> object:
        """Starts to count up to `total` arrays."""

    def update(self) -> object:
        """One more array is read."""


@dataclass(frozen=True)
class Report:
    """What a conversion did.

    Attributes:
        source: the file that was read.
        destination: the file that was written.
        format: of the destination.
        spec: the model.
        arrays: number of arrays that were carried over.
        nbytes: their size together.
        temperature: recorded in the destination where its format has a place for it.
        notes: what was unwrapped, dropped or given a default.
        proof: comparison of the destination, read back, with the source.
    """

    source: Path
    destination: Path
    format: str
    spec: BackboneSpec
    arrays: int
    nbytes: int
    temperature: float
    notes: tuple[str, ...]
    proof: Comparison

    def __str__(self) -> str:
        lines = [
            f"{legible(self.source.name)} -> {legible(self.destination.name)} ({self.format})",
            f"  model   {describe(self.spec)}",
            f"  arrays  {self.arrays}, {self.nbytes / 1e6:.1f} MB, all bits equal when read back",
            *(f"  note    {note}" for note in self.notes),
        ]
        return "\n".join(lines)


def convert(
    src: str | Path,
    dst: str | Path,
    model: Model = None,
    *,
    stages: Stages | None = None,
    key: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Converts a checkpoint, reads the result back and compares every bit.

    The destination's format follows its extension: .pth, .pt, .pth.tar, .safetensors, .pdparams or
    .weights.h5. Arrays pass through one at a time.

    Args:
        src: a checkpoint of any format; its content decides which.
        dst: the file to write.
        model: a name, a spec, or a JSON file with a spec; None finds it out from the arrays.
        stages: the stage table of a MobileNetV2 that is not the published one.
        key: which state dict to take from a file with several.
        overwrite: replaces `dst` where it exists.
        progress: is told of each array that is read.

    Raises:
        ConverterError: see `weights_converter.errors`; the destination is then as it was.
    """
    format = formats.format_of(dst)
    if _same_file(src, dst):
        raise UsageError(
            f"{legible(Path(dst).name)} is the source itself", help="write to another name"
        )
    weights = open_weights(src, model, stages, key)
    tensors = list(_target_tensors(weights, LAYOUT_OF_FORMAT[format]))
    if progress is not None:
        progress.reset(len(tensors))
        tensors = [_counted(tensor, progress) for tensor in tensors]
    proofs: list[Comparison] = []

    def prove(part: Path) -> None:
        proofs.append(compare(weights, open_weights(part, weights.spec)).demand_equal())

    formats.write(dst, format, tensors, _metadata(weights), overwrite, prove)
    return Report(
        source=Path(src),
        destination=Path(dst),
        format=format,
        spec=weights.spec,
        arrays=len(weights.tensors),
        nbytes=sum(tensor.nbytes for tensor in weights.tensors.values()),
        temperature=temperature_of(weights),
        notes=(*weights.source.notes, *_notes(weights, LAYOUT_OF_FORMAT[format])),
        proof=replace(proofs[0], right=Path(dst)),
    )


def _target_tensors(weights: Weights, target: str) -> Iterator[Tensor]:
    layout = LAYOUTS[target]
    parameters = weights.spec.parameters()
    for parameter in parameters:
        yield stored_tensor(weights.tensors[parameter.name], parameter, layout)
    kept = weights.companions if weights.source.layout == target else {}
    for companion in companions(layout, parameters):
        default = companion.default
        if target == "keras":
            default = np.asarray(temperature_of(weights), default.dtype)
        yield kept.get(companion.name, Tensor.of(companion.name, default))


def _counted(tensor: Tensor, progress: Progress) -> Tensor:
    def load() -> Array:
        progress.update()
        return tensor.load()

    return replace(tensor, load=load)


def _notes(weights: Weights, target: str) -> Iterator[str]:
    source = weights.source.layout
    if source == "torch" and target != "torch" and weights.companions:
        yield f"dropped {len(weights.companions)} num_batches_tracked, which only torch has"
    if source != "torch" and target == "torch":
        yield "num_batches_tracked, which only torch has, starts at 0"
    temperature = temperature_of(weights)
    dynamic = weights.spec.conv.kind != "static"
    if dynamic and source != "keras" and target == "keras":
        yield f"the temperature, which Keras stores in its layers, starts at {temperature:g}"
    if dynamic and target == "paddle" and temperature != 1:
        yield f"the file has no place for temperature {temperature:g}: set it after loading"
    epoch = weights.source.scalars.get("epoch")
    if isinstance(epoch, int) and epoch < _ANNEALED and dynamic:
        yield (
            f"the checkpoint is of epoch {epoch}; the published training reaches temperature 1 "
            f"after {_ANNEALED} epochs, so set_temperature() may be needed to reproduce it"
        )


def _metadata(weights: Weights) -> dict[str, str]:
    try:
        release = version("odconv")
    except PackageNotFoundError:  # run from a source tree
        release = "unreleased"
    return {
        "format": "pt",  # safetensors' own key: the axes are PyTorch's
        "odconv.version": release,
        "odconv.spec": to_json(weights.spec),
        "odconv.temperature": repr(temperature_of(weights)),
    }


def _same_file(src: str | Path, dst: str | Path) -> bool:
    try:
        return Path(src).exists() and Path(dst).exists() and Path(src).samefile(dst)
    except (OSError, ValueError) as error:  # such as a name that is too long, or a NUL in it
        raise FileError(f"{legible(str(dst))}: {error}") from error
