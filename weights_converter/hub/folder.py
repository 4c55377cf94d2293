"""A hub folder, on this machine or on the hub, as the weights of a model."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from odconv_spec import BackboneSpec
from weights_converter import formats
from weights_converter.errors import (
    FileError,
    MismatchError,
    RefusedError,
    UsageError,
    legible,
)
from weights_converter.formats.entry_point import HUB_WEIGHTS
from weights_converter.hub.config import CONFIG, HubConfig
from weights_converter.hub.remote import downloaded
from weights_converter.live.loading import Loaded, load_into

# "name" or "owner/name"; https://huggingface.co/docs/huggingface_hub's validate_repo_id
_ID: Final = re.compile(r"(?!.*(--|\.\.))([A-Za-z0-9_][\w.-]*/)?[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)
_PICKLES: Final = ("*.bin", "*.pth", "*.pt", "*.pth.tar", "*.ckpt", "*.pdparams", "*.h5")


@dataclass(frozen=True)
class HubFolder:
    """A folder whose model is known. Its weights are always the file of one name in it.

    Attributes:
        path: the folder.
        config: what it says of its model.
    """

    path: Path
    config: HubConfig

    def config_for(self, num_classes: int | None) -> HubConfig:
        """That of the model with a head of another width; None is the head of the folder."""
        if num_classes in (None, self.config.spec.num_classes):
            return self.config
        spec = replace(self.config.spec, num_classes=num_classes)
        return replace(self.config, spec=spec, class_names=())

    def load_into(self, model: Any, spec: BackboneSpec) -> Loaded:
        """The weights into a model of `spec`, whose head alone may differ, and then is its own.

        Floats are rounded to the dtype that the model has.
        """
        weights = _weights(self.path)
        same = spec.num_classes == self.config.spec.num_classes
        try:
            return load_into(model, weights, head="strict" if same else "skip", cast=True)
        except MismatchError as error:
            name = legible(self.config.spec.name)
            raise MismatchError(
                f"{CONFIG} says that this is {name}, and its weights do not fit: {error}",
                help=error.help or "save the folder again",
            ) from error


def open_folder(name: str | Path, **download: Any) -> HubFolder:
    """A folder by its path, or by its id on the hub; a folder that is there comes first.

    Args:
        name: such as "runs/best" or "someone/od_resnet18".
        **download: options of `huggingface_hub.snapshot_download`.

    Raises:
        UsageError: it is neither, or huggingface_hub is missing.
        ConverterError: see `HubConfig.read`.
    """
    path = Path(name)
    try:
        is_folder, exists = path.is_dir(), path.exists()
    except (OSError, ValueError) as error:  # ValueError: a NUL
        raise FileError(f"cannot read {legible(str(name))}: {error}") from error
    if exists and not is_folder:
        raise UsageError(
            f"{legible(str(name))} is a file, and a folder is expected",
            help="load_into takes a file of weights",
        )
    if not is_folder:
        path = _downloaded(name, download)
    return HubFolder(path, _config(path))


def _downloaded(name: str | Path, download: dict[str, Any]) -> Path:
    if isinstance(name, Path) or not _ID.fullmatch(name):
        raise FileError(
            f"{legible(str(name))} is no folder, and no id of a model on the hub",
            help="expected a folder of save_pretrained, or an id such as 'someone/od_resnet18'",
        )
    return downloaded(name, **download)


def _config(folder: Path) -> HubConfig:
    try:
        return HubConfig.read(folder)
    except FileError as error:
        raise FileError(
            f"{legible(str(folder))} is no hub folder: {error}",
            help="save_pretrained makes one; load_into takes a file of weights",
        ) from error


def _weights(folder: Path) -> Path:
    """The file of the weights. Raises an error where it is not one of safetensors."""
    found = next((folder / name for name in HUB_WEIGHTS if (folder / name).exists()), None)
    if found is None:
        others = sorted(path.name for glob in _PICKLES for path in folder.glob(glob))
        instead = f"; it has {legible(others[0])}" if others else ""
        source = legible(others[0]) if others else "WEIGHTS"
        raise FileError(
            f"{legible(str(folder))} has no {HUB_WEIGHTS[0]}{instead}",
            help=f"make it, without running anything in the file: odconv convert {source} "
            f"{HUB_WEIGHTS[0]}",
        )
    format = formats.read(found).format
    if not format.startswith("safetensors"):
        raise RefusedError(
            f"{legible(found.name)} refused: it is a file of the format {format}",
            help=f"rename it, and then: odconv convert OTHER_NAME {HUB_WEIGHTS[0]}",
        )
    return found
