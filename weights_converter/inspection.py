"""What a checkpoint holds, without loading its arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odconv_spec import BackboneSpec
from weights_converter import formats
from weights_converter.check import Form
from weights_converter.errors import MismatchError, legible
from weights_converter.inference import Stages, describe
from weights_converter.tensor import Checkpoint
from weights_converter.weights import Model, open_weights


@dataclass(frozen=True)
class Inspection:
    """A checkpoint's index, and the model it belongs to, or why none was found."""

    checkpoint: Checkpoint
    spec: BackboneSpec | None
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        checkpoint = self.checkpoint
        return {
            "file": checkpoint.path.name,
            "format": checkpoint.format,
            "model": self.spec and describe(self.spec),
            "spec": self.spec and self.spec.to_dict(),
            "reason": self.reason,
            "scalars": dict(checkpoint.scalars),
            "metadata": dict(checkpoint.metadata),
            "notes": list(checkpoint.notes),
            "arrays": {
                name: {"dtype": tensor.dtype, "shape": list(tensor.shape)}
                for name, tensor in checkpoint.tensors.items()
            },
        }

    def __str__(self) -> str:
        checkpoint = self.checkpoint
        count = len(checkpoint.tensors)
        lines = [
            legible(checkpoint.path.name),
            f"  format  {checkpoint.format}",
            f"  model   {describe(self.spec) if self.spec else 'not found: ' + self.reason}",
            f"  arrays  {count}, {checkpoint.nbytes / 1e6:.1f} MB",
        ]
        if self.spec:
            lines.append(f"  trainable parameters  {self.spec.trainable_count():,}")
        lines += [f"  {name}  {value}" for name, value in checkpoint.scalars.items()]
        lines += [f"  note    {note}" for note in checkpoint.notes]
        return "\n".join(lines)

    def table(self) -> str:
        """Every array's name, dtype and shape, a line each."""
        rows = ((n, str(Form(t.shape, t.dtype))) for n, t in self.checkpoint.tensors.items())
        width = max(map(len, self.checkpoint.tensors), default=0)
        return "\n".join(f"{name:<{width}}  {form}" for name, form in rows)


def inspect(
    path: str | Path,
    model: Model = None,
    *,
    stages: Stages | None = None,
    key: str | None = None,
) -> Inspection:
    """Reads a checkpoint's index and finds out its model.

    Raises:
        ConverterError: the file cannot be read. A file of an unknown model is not an error.
    """
    checkpoint = formats.read(path, key)
    try:
        return Inspection(checkpoint, open_weights(path, model, stages, key).spec, "")
    except MismatchError as error:
        reason = f"{error}; {error.help}" if error.help else str(error)
        return Inspection(checkpoint, None, reason)
