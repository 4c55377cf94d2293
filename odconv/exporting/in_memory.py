"""A network of PyTorch in memory, with layers of this package in it, as ONNX."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odconv.exporting import metadata
from odconv.exporting.asking import ExportOptions, Known, job_of
from odconv.exporting.export import deliver, needed
from odconv.exporting.report import ExportReport
from odconv.exporting.staging import check_free
from odconv.exporting.targets import target_of
from odconv_spec import BackboneSpec
from weights_converter.arrays.digests import digest
from weights_converter.errors import MismatchError, UsageError
from weights_converter.identify.model_arrays import target_metadata
from weights_converter.live.arrays import extract, manifest

if TYPE_CHECKING:
    from torch import nn


def export_onnx(
    model: nn.Module,
    path: str | Path,
    shape: Sequence[int] = (3, 224, 224),
    *,
    overwrite: bool = False,
    **options: Any,
) -> ExportReport:
    """Writes a network in memory as ONNX, and proves it in ONNX Runtime.

    Args:
        model: a network in inference mode, of this package or of one's own, with layers of this
            package in it or not. It takes one batch of images, (batch, channels, height, width),
            and gives an array, or a tuple or list of some. It is left as it is.
        path: of the file, which ends in .onnx.
        shape: of one image: (channels, height, width).
        overwrite: whether the file may replace another.
        **options: fields of `ExportOptions`, such as `form`, `batch`, `dynamic_size`.

    Returns:
        What was written, with the largest difference.

    Raises:
        UsageError: the model is in training mode, its attentions are still annealed, or an option
            does not fit it.
        MismatchError: the file computes something else, or is not what its form promises.
        RefusedError: the exporter does not take the model.
        FileError: nothing can be written at `path`.
        ModuleNotFoundError: the extra `export` is not installed.

    Example:
        >>> from torch import nn
        >>> from odconv_torch import ODConv2d
        >>> model = nn.Sequential(ODConv2d(3, 8, 3), nn.ReLU()).eval()
        >>> export_onnx(model, "model.onnx", (3, 32, 32)).proof.equal
        True
    """
    start = time.perf_counter()
    path = Path(path)
    target = target_of(path, "onnx")
    check_free(path, overwrite)
    needed(target)
    if len(shape) != 3:
        raise UsageError(f"shape: expected (channels, height, width), received {tuple(shape)}")
    temperature = _temperature(model)
    asked = ExportOptions(**{"size": (int(shape[1]), int(shape[2])), **options})
    job = job_of(asked, target, _known(model, int(shape[0])))
    told, network = _identity(model)
    job = replace(
        job, metadata=metadata.metadata_of(job, target.layout, network, told, temperature)
    )
    source = copy.deepcopy(model).cpu().float()
    proof, nbytes = deliver(source, path, target, job, overwrite)
    seconds = time.perf_counter() - start
    return ExportReport(path, type(model).__name__, target, job, proof, nbytes, seconds)


def _temperature(model: nn.Module) -> float | None:
    """Of the layers, None where there are none. Raises UsageError where it may not stay so."""
    from odconv_torch.layers.temperature import annealing_of, temperatures

    if any(module.training for module in model.modules()):
        raise UsageError("model: expected one in inference mode", help="call model.eval() first")
    found, rest = temperatures(model), annealing_of(model).rest
    if any(temperature > rest for temperature in found):
        raise UsageError(
            f"model: expected layers of temperature {rest:g}, received {sorted(found)}",
            help=f"train on until it is reached, or set_temperature(model, {rest:g})",
        )
    return max(found, default=None)


def _known(model: nn.Module, channels: int) -> Known:
    spec = getattr(model, "spec", None)
    if not isinstance(spec, BackboneSpec) or not hasattr(model, "forward_stages"):
        return Known(channels)
    if channels != spec.in_channels:
        raise UsageError(f"shape: expected {spec.in_channels} channels, received {channels}")
    return Known(channels, spec.num_classes, tuple(spec.feature_info()))


def _identity(model: nn.Module) -> tuple[str | None, dict[str, str]]:
    """The digest of its arrays and what tells which network it is, where they have such a form."""
    try:
        arrays = extract(model)
        spec = getattr(model, "spec", None)
        network = spec if isinstance(spec, BackboneSpec) else manifest(model, own_paths=False)
    except MismatchError:  # layers of other packages
        return None, {}
    told = metadata.digest_of({name: digest(array) for name, array in arrays.items()})
    return told, target_metadata(network)
