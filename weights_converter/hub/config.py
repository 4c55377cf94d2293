"""`config.json` of a hub folder: which model it is, and what images it takes.

The keys on top are those that timm writes and the hub reads. What our packages need to build the
model stands under `odconv`. Keys that are not known are left alone: a later version may add some.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Final

from odconv_spec import BackboneSpec, from_dict
from odconv_spec.schedule import Annealing, annealing_of
from odconv_spec.version import __version__
from weights_converter.errors import DamagedError, RefusedError, UsageError, legible
from weights_converter.formats.files.source import Source
from weights_converter.formats.files.strict_json import json_object

CONFIG: Final = "config.json"
_LARGEST: Final = 1 << 24  # bytes; a thousand class names take some ten thousand
_OURS: Final = "odconv"


@dataclass(frozen=True)
class HubConfig:
    """What a hub folder says of its model.

    Attributes:
        spec: what the network is made of.
        temperature: of its dynamic convolutions.
        class_names: in the order of the logits; none where they are not known.
        image_size: (height, width) that it was evaluated with, None where that is not known.
        mean: of each channel, which is subtracted from images in [0, 1]; None if not known.
        std: of each channel, by which they are divided then.
        version: of the package that wrote it.

    Raises:
        UsageError: a value does not fit the model.
    """

    spec: BackboneSpec
    temperature: float = 1.0
    class_names: tuple[str, ...] = ()
    image_size: tuple[int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    version: str = __version__

    def __post_init__(self) -> None:
        _check_names(self.class_names, self.spec.num_classes)
        if self.image_size is not None:
            _check("image_size", self.image_size, 2, int, "(height, width) in pixels")
        for name in ("mean", "std"):
            if getattr(self, name) is not None:
                channels = self.spec.in_channels
                _check(name, getattr(self, name), channels, (int, float), "a number a channel")

    @classmethod
    def read(cls, folder: Path) -> HubConfig:
        """That of a folder.

        Raises:
            FileError: it has none that can be read.
            RefusedError: it is too large to be one.
            DamagedError: it is no JSON object, or tells of no model that this version knows.
        """
        source = Source.at(folder / CONFIG)
        if source.size > _LARGEST:
            raise RefusedError(f"{CONFIG} refused: {source.size} bytes are too many for a config")
        values = json_object(source, source.read(0, source.size), "text")
        ours = values.get(_OURS)
        if not isinstance(ours, dict) or not isinstance(ours.get("spec"), dict):
            raise DamagedError(
                f"{CONFIG} tells of no model of odconv: expected a spec under {_OURS!r}",
                help="build the model and load_into it the weights of the folder",
            )
        try:
            return cls._of(values, ours)
        except (TypeError, ValueError) as error:
            raise DamagedError(
                f"{CONFIG} names a model that this version does not know: {legible(str(error))}",
                help=_advice(str(ours.get("version"))),
            ) from error

    @classmethod
    def _of(cls, values: Mapping[str, Any], ours: Mapping[str, Any]) -> HubConfig:
        images = values.get("pretrained_cfg", {})
        if not isinstance(images, dict):
            raise ValueError(f"pretrained_cfg: expected an object, received {images!r}")
        size = _tuple(images, "input_size")
        spec = from_dict(ours["spec"])
        annealing = annealing_of(spec.parameters())
        config = cls(
            spec=spec,
            temperature=_temperature(ours.get("temperature", annealing.rest), annealing),
            class_names=_tuple(values, "label_names") or (),
            image_size=None if size is None else size[1:],
            mean=_tuple(images, "mean"),
            std=_tuple(images, "std"),
            version=str(ours.get("version")),
        )
        config._check_same("architecture", config.spec.name, values)
        config._check_same("num_classes", config.spec.num_classes, values)
        return config

    def _check_same(self, key: str, expected: object, values: Mapping[str, Any]) -> None:
        """What stands in the file twice must be the same."""
        if values.get(key, expected) != expected:
            raise ValueError(f"{key} is {values[key]!r}, and that of the spec {expected!r}")

    def to_json(self) -> str:
        """The text of the file, the same for equal values."""
        spec = self.spec
        values: dict[str, Any] = {
            "architecture": spec.name,
            "library_name": "odconv",
            "num_classes": spec.num_classes,
            "num_features": spec.num_features,
            "global_pool": spec.global_pool,
        }
        if self.class_names:
            values["label_names"] = list(self.class_names)
        values["model_args"] = self._arguments()
        values["pretrained_cfg"] = self._pretrained()
        values[_OURS] = {
            "version": self.version,
            "spec": spec.to_dict(),
            "temperature": self.temperature,
        }
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"

    def _arguments(self) -> dict[str, Any]:
        """What `timm.create_model` is to be given beside the name, in its words."""
        spec = self.spec
        own = {"in_chans": spec.in_channels, "drop_rate": spec.dropout}
        return {**dict(spec.conv.options), **own, "global_pool": spec.global_pool}

    def _pretrained(self) -> dict[str, Any]:
        """What timm prepares images and another head by, as far as it is known."""
        spec = self.spec
        found: dict[str, Any] = {"num_classes": spec.num_classes}
        found |= {"first_conv": spec.stem_path, "classifier": spec.head_path}
        if self.image_size is not None:
            found["input_size"] = [self.spec.in_channels, *self.image_size]
        if self.mean is not None:
            found["mean"] = list(self.mean)
        if self.std is not None:
            found["std"] = list(self.std)
        return found


def _tuple(values: Mapping[str, Any], name: str) -> Any:
    """The items of a list in the file; None where there is none."""
    found = values.get(name)
    if found is not None and not isinstance(found, list):
        raise ValueError(f"{name}: expected a list, received {found!r}")
    return None if found is None else tuple(found)


def _check_names(names: tuple[str, ...], count: int) -> None:
    if not all(isinstance(name, str) for name in names):
        raise UsageError(f"class_names: expected texts, received {legible(str(names))}")
    if names and len(names) != count:
        raise UsageError(
            f"class_names: expected {count} names, one for each class of the model, received "
            f"{len(names)}"
        )


def _check(name: str, values: Sequence[Any], count: int, kind: Any, meaning: str) -> None:
    right = all(isinstance(v, kind) and not isinstance(v, bool) and isfinite(v) for v in values)
    if not right or len(values) != count or (name != "mean" and min(values) <= 0):
        raise UsageError(f"{name}: expected {meaning}, received {legible(str(values))}")


def _temperature(value: object, annealing: Annealing) -> float:
    if not isinstance(value, (int, float)):
        raise ValueError(f"temperature: expected a number, received {value!r}")
    annealing.check(value)
    return float(value)


def _advice(version: str) -> str:
    if version == __version__:
        return "save the folder again"
    return f"{legible(version)} has written it, and this is {__version__}: install that version"
