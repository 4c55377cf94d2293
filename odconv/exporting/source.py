"""The checkpoint that is exported, and what it tells of its network."""

from __future__ import annotations

from pathlib import Path

from odconv.exporting.asking import Known
from odconv_spec import BackboneSpec
from odconv_spec.schedule import annealing_of
from weights_converter.errors import UsageError, legible
from weights_converter.formats.entry_point import HUB_WEIGHTS, entry_point
from weights_converter.hub.config import CONFIG, HubConfig
from weights_converter.identify.backbones import describe
from weights_converter.identify.class_names import class_names_of
from weights_converter.identify.model_arrays import Weights, recorded_temperature, temperature_of
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request


def open_network(checkpoint: str | Path | Request) -> tuple[Weights, BackboneSpec]:
    """A checkpoint and its network. Raises UsageError where it is of no whole network."""
    weights = open_model(checkpoint)
    if isinstance(weights.spec, BackboneSpec):
        return weights, weights.spec
    raise UsageError(
        f"{legible(weights.source.path.name)} is of {describe(weights.spec)}, which is no whole "
        "network of odconv",
        help="build it, load_into() the file, and odconv.export_onnx(model, path)",
    )


def rested(weights: Weights) -> float | None:
    """The temperature that the file has, if any. Raises UsageError where it is still annealed."""
    recorded = recorded_temperature(weights)
    if not weights.dynamic:
        return None
    rest = annealing_of(weights.parameters).rest
    if recorded is not None and recorded > rest:
        raise UsageError(
            f"{legible(weights.source.path.name)} has temperature {recorded:g}: its attentions are "
            "not what they will be",
            help=f"train on until the temperature is {rest:g}, or set it and save again",
        )
    return temperature_of(weights)


def known_of(weights: Weights, spec: BackboneSpec) -> Known:
    """What the checkpoint, and the folder that it is the hub's of, tell of the network."""
    known = Known(
        spec.in_channels,
        spec.num_classes,
        tuple(spec.feature_info()),
        labels=class_names_of(weights.source),
    )
    path = entry_point(weights.source.path)
    if path.name not in HUB_WEIGHTS or not path.with_name(CONFIG).is_file():
        return known
    config = HubConfig.read(path.parent)
    return known._replace(
        size=config.image_size,
        mean=config.mean or (),
        std=config.std or (),
        labels=known.labels or config.class_names,
    )
