"""What stands in a hub folder beside the weights: `config.json` and the model card."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from odconv_spec import BackboneSpec
from weights_converter.errors import FileError, UsageError, legible
from weights_converter.formats.entry_point import HUB_WEIGHTS
from weights_converter.formats.files.atomic import replacing
from weights_converter.formats.files.part import check_destination
from weights_converter.hub.card import CARD, Metrics, model_card
from weights_converter.hub.config import CONFIG, HubConfig
from weights_converter.identify.backbones import describe
from weights_converter.identify.class_names import class_names_of
from weights_converter.identify.model_arrays import Weights, temperature_of


@dataclass(frozen=True)
class Description:
    """The texts of a folder, which are written once its weights are there.

    Attributes:
        folder: where they go.
        config: what `config.json` says.
        overwrite: whether weights and config may be replaced. A card is never replaced, because
            somebody may have written it.
        metrics: for the card.
        license: for the card.
    """

    folder: Path
    config: HubConfig
    overwrite: bool = False
    metrics: Metrics | None = None
    license: str | None = None

    @property
    def weights(self) -> Path:
        """The file of the weights."""
        return self.folder / HUB_WEIGHTS[0]

    @classmethod
    def of(cls, folder: Path, weights: Weights, overwrite: bool) -> Description:
        """Of the model that another checkpoint holds.

        Raises:
            UsageError: it is no backbone of ours, so that no package could build it.
        """
        spec = weights.spec
        if not isinstance(spec, BackboneSpec):
            raise UsageError(
                f"a hub folder is for the networks of `odconv models`, received {describe(spec)}",
                help=f"convert it to a file: {HUB_WEIGHTS[0]}",
            )
        names = class_names_of(weights.source)
        known = names if len(names) == spec.num_classes else ()
        return cls(folder, HubConfig(spec, temperature_of(weights), known), overwrite)

    def prepare(self) -> None:
        """Makes the folder, if all may be written there, before anything is.

        Raises:
            FileError: a file is there and must not be replaced, or the folder cannot be made.
            UsageError: metrics or a license would get lost, or are none.
        """
        card = self.folder / CARD
        if card.exists() and (self.metrics or self.license):
            raise UsageError(
                f"{legible(str(card))} is there already and is left as it is, so that the metrics "
                "and the license would not get into it",
                help="remove it, or write them into it",
            )
        self._card()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"cannot make {legible(str(self.folder))}: {error.strerror}") from error
        for path in (self.weights, self.folder / CONFIG):
            check_destination(path, self.overwrite)

    def write(self) -> tuple[Path, ...]:
        """Writes the card, where there is none, and the config. Returns the files."""
        card, config = self.folder / CARD, self.folder / CONFIG
        texts = {} if card.exists() else {card: self._card()}
        texts[config] = self.config.to_json()
        for path, text in texts.items():
            with replacing(path, self.overwrite) as part:
                part.write_text(text, encoding="utf-8")
        return tuple(texts)

    def _card(self) -> str:
        return model_card(self.config, self.metrics, self.license)


def hub_folder(destination: str | Path) -> Path | None:
    """The folder that a destination names: one that is there, or a text that ends as one does."""
    text = str(destination)
    named = isinstance(destination, str) and text.endswith(("/", os.sep))
    try:
        return Path(text) if named or Path(text).is_dir() else None
    except (OSError, ValueError):  # ValueError: a NUL; the error is that of a file then
        return None
