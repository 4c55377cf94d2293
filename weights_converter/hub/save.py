"""A live model of any framework as a hub folder: the same bytes, whichever framework it is of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from odconv_spec import BackboneSpec
from odconv_spec.version import __version__
from weights_converter import formats
from weights_converter.arrays.casting import KEEP
from weights_converter.arrays.digests import digests_of
from weights_converter.arrays.tensor import Checkpoint, Tensor
from weights_converter.conversion.transfer import Transfer
from weights_converter.errors import MismatchError, UsageError, legible
from weights_converter.formats.files.open_files import kept_open
from weights_converter.hub.card import Metrics
from weights_converter.hub.config import HubConfig
from weights_converter.hub.describe import Description
from weights_converter.identify.class_names import KEY as CLASS_NAMES
from weights_converter.identify.class_names import to_text
from weights_converter.identify.manifest import tag_of_name
from weights_converter.identify.model_arrays import target_metadata
from weights_converter.identify.open_model import weights_of
from weights_converter.live.arrays import adapter_of, slots


def save_folder(
    model: Any,
    folder: str | Path,
    metrics: Metrics | None = None,
    license: str | None = None,
    overwrite: bool = False,
    **described: Any,
) -> tuple[Path, ...]:
    """Writes a backbone of any framework; see `HubModel.save_pretrained`."""
    config = config_of(model, **described)
    description = Description(Path(folder), config, overwrite, metrics, license)
    description.prepare()
    _write_weights(model, config, description.weights, overwrite)
    return (description.weights, *description.write())


def config_of(model: Any, **described: Any) -> HubConfig:
    """What a folder says of the model: as it was opened, and what `described` says anew."""
    spec: BackboneSpec = model.spec
    before: HubConfig | None = getattr(model, "hub_config", None)
    names = before.class_names if before and len(before.class_names) == spec.num_classes else ()
    start = replace(before or HubConfig(spec), spec=spec, class_names=names, version=__version__)
    given: dict[str, Any] = {
        name: _as_tuple(name, value) for name, value in described.items() if value is not None
    }
    return replace(start, temperature=_temperature(model), **given)


def _as_tuple(name: str, value: Any) -> tuple[Any, ...]:
    if name == "image_size" and isinstance(value, int):  # a square
        return (value, value)
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise UsageError(f"{name}: expected several values, received {legible(repr(value))}")
    return tuple(value)


def _temperature(model: Any) -> float:
    """That of all dynamic convolutions, 1 where there are none."""
    found = sorted(adapter_of(model).temperatures(model))
    if len(found) > 1:
        raise MismatchError(
            f"the layers have temperatures {', '.join(map(str, found))}; expected one",
            help="set_temperature(model, t) before saving",
        )
    return float(found[0]) if found else 1.0


def _write_weights(model: Any, config: HubConfig, path: Path, overwrite: bool) -> None:
    """What a conversion from any other format would write, in PyTorch's names and axes."""
    tensors = {
        name: Tensor(name, tag_of_name(slot.dtype), slot.parameter.shape, slot.read)
        for name, slot in slots(model).items()
    }
    metadata = target_metadata(config.spec) | {"odconv.temperature": repr(config.temperature)}
    if config.class_names:
        metadata[CLASS_NAMES] = to_text(config.class_names)
    live = Checkpoint(Path(config.spec.name), "model", "torch", tensors, metadata)
    weights = weights_of(live, config.spec)
    transfer = Transfer.of(weights, "torch", KEEP)
    provenance = transfer.provenance(None, digests_of(weights.tensors.values()))
    with kept_open():
        formats.write(
            path,
            "safetensors",
            (*weights.tensors.values(), *transfer.beside()),
            transfer.metadata(provenance),
            overwrite,
        )
