"""What a checkpoint holds, without loading its arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from weights_converter.arrays.sizes import size_text
from weights_converter.arrays.tensor import Checkpoint
from weights_converter.conversion.survey import Values, values_of
from weights_converter.errors import MismatchError, RefusedError, legible
from weights_converter.formats.files.open_files import kept_open
from weights_converter.formats.table import EXPORTED
from weights_converter.identify.backbones import describe
from weights_converter.identify.class_names import KEY as CLASS_NAMES
from weights_converter.identify.class_names import TRAINED, class_names_of
from weights_converter.identify.manifest import VERSION_KEY
from weights_converter.identify.model_arrays import Target
from weights_converter.identify.open_model import open_any, weights_of
from weights_converter.identify.request import Request
from weights_converter.identify.target import claim_of, target_of
from weights_converter.names.mismatch import Form
from weights_converter.plain import plain

SCHEMA = 1  # of `Inspection.to_dict`
_MOST_SHOWN = 8
_OURS = "odconv."  # begins the names of our metadata
_VERSION = f"{_OURS}version"
_ELSEWHERE = (f"{_OURS}spec", f"{_OURS}job", VERSION_KEY, CLASS_NAMES)  # or for programs


@dataclass(frozen=True)
class Inspection:
    """A checkpoint's index, and the model it belongs to, or why none was found.

    `values` tells of the values of the arrays, by name, where they were asked for; `class_names`
    has those that the file tells, in the order of the logits.

    Example:
        >>> found = inspect(Request("odconv_demo/digits.pth.tar", "odconv_demo/digits.json"))
        >>> found.checkpoint.format, found.spec.name, len(found.checkpoint.tensors)
        ('torch', 'od_mobilenetv2_custom', 170)
    """

    checkpoint: Checkpoint
    spec: Target | None
    reason: str
    values: Mapping[str, Values] = field(default_factory=dict)
    class_names: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON.

        Returns:
            What `odconv inspect --json` prints.
        """
        checkpoint = self.checkpoint
        return {
            "schema": SCHEMA,
            "file": checkpoint.path.name,
            "format": checkpoint.format,
            "model": self.spec and describe(self.spec),
            "spec": self.spec and self.spec.to_dict(),
            "reason": self.reason,
            "class_names": list(self.class_names),
            "scalars": plain(checkpoint.scalars),
            "metadata": dict(checkpoint.metadata),
            "notes": list(checkpoint.notes),
            "left_out": dict(checkpoint.left_out),
            "arrays": {
                name: {"dtype": tensor.dtype, "shape": list(tensor.shape), **self._values(name)}
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
        ]
        if checkpoint.format in EXPORTED:
            told = sorted(checkpoint.metadata.items())
            lines += [_told(item) for item in told if item[0] not in _ELSEWHERE]
        else:
            lines.append(f"  arrays  {count}, {size_text(checkpoint.nbytes)}")
        if self.spec:
            lines.append(f"  trainable parameters  {self.spec.trainable_count():,}")
        if self.class_names:
            lines.append(f"  classes {len(self.class_names)}: {_listed(self.class_names)}")
        for name, value in checkpoint.scalars.items():
            if not (name == TRAINED and self.class_names):
                lines.append(f"  {legible(name)}  {legible(str(plain(value)))}")
        lines += [f"  note    {note}" for note in checkpoint.notes]
        reasons = list(checkpoint.left_out.items())
        lines += [f"  left out  {legible(name)}: {why}" for name, why in reasons[:_MOST_SHOWN]]
        if len(reasons) > _MOST_SHOWN:
            lines.append(f"  left out  {len(reasons) - _MOST_SHOWN} more, which --json lists")
        return "\n".join(lines)

    def table(self) -> str:
        """Every array's name, dtype and shape, a line each.

        Returns:
            As many lines as arrays.
        """
        tensors = self.checkpoint.tensors
        width = max((len(legible(name)) for name in tensors), default=0)
        return "\n".join(
            f"{legible(name):<{width}}  {Form(tensor.shape, tensor.dtype)}{self._range(name)}"
            for name, tensor in tensors.items()
        )

    def _values(self, name: str) -> dict[str, Any]:
        return asdict(self.values[name]) if name in self.values else {}

    def _range(self, name: str) -> str:
        values = self.values.get(name)
        if values is None:
            return ""
        wrong = f", {values}" if values.nan or values.inf else ""
        if values.minimum is None:
            return f"  no finite value{wrong}"
        return f"  {values.minimum:.4g} to {values.maximum:.4g}{wrong}"


def inspect(source: str | Path | Request, *, statistics: bool = False) -> Inspection:
    """Reads a checkpoint's index and infers its model.

    Args:
        source: a checkpoint of any format.
        statistics: loads every array to tell of its values.

    Returns:
        The index, the model or the reason why none was found, and what the file tells; printed, a
        summary.

    Raises:
        ConverterError: the file cannot be read. A file of an unknown model is not an error.

    Example:
        >>> source = Request("examples/odconv4x_mobilenetv2_digits.pth.tar", "examples/digits.json")
        >>> inspect(source).spec.num_classes
        10
    """
    request = Request.of(source)
    checkpoint = open_any(request)
    names = class_names_of(checkpoint)
    if checkpoint.format in EXPORTED:
        return _of_exported(checkpoint, request, names)
    tensors = checkpoint.tensors.values() if statistics else ()
    with kept_open():
        values = {tensor.name: values_of(tensor.load(), tensor.dtype) for tensor in tensors}
    try:
        weights = weights_of(
            checkpoint, target_of(checkpoint, request), claim_of(checkpoint, request)
        )
    except (MismatchError, RefusedError) as error:
        reason = f"{error}; {error.help}" if error.help else str(error)
        return Inspection(checkpoint, None, reason, values, names)
    told = replace(checkpoint, notes=weights.source.notes)
    return Inspection(told, weights.spec, "", values, names)


def _told(item: tuple[str, str]) -> str:
    name, text = item
    return f"  {legible(name.removeprefix(_OURS))}  {legible(text)}"


def _of_exported(checkpoint: Checkpoint, request: Request, names: tuple[str, ...]) -> Inspection:
    """What the metadata say; the arrays are the graph's."""
    if _VERSION not in checkpoint.metadata:
        return Inspection(checkpoint, None, "another tool has exported it", class_names=names)
    try:
        spec = target_of(checkpoint, request)
    except MismatchError:  # no array tells either
        return Inspection(checkpoint, None, "the file does not tell", class_names=names)
    return Inspection(checkpoint, spec, "", class_names=names)


def _listed(names: tuple[str, ...]) -> str:
    more = f", and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return ", ".join(map(legible, names[:_MOST_SHOWN])) + more
