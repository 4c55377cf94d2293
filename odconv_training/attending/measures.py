"""How much the attentions of a layer say of an image: their spread over images, their entropy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
# By layer and by "kernel", "spatial", "channel" and "filter", (batch, ...); and (batch, classes).
Attended = tuple[Mapping[str, Mapping[str, Array]], Array]

KINDS: Final = ("kernel", "spatial", "channel", "filter")
CONSTANT = 0.01  # of a spread: attentions that vary less do the same to every image


@dataclass(frozen=True)
class LayerAttentions:
    """What one layer does to each image.

    `values` has (images, numbers) for each of `KINDS` that the layer has, the taps row by row, with
    `columns` taps in a row. Attentions of each kernel stand one kernel after the other.
    """

    path: str
    values: Mapping[str, Array]
    columns: int = 1

    def spread(self, kind: str) -> float:
        """How much an attention varies over the images, as a share of its mean.

        The standard deviation over the images, as the root mean square over the numbers of the
        attention, divided by the mean of them all.
        """
        values = self.values[kind].astype(np.float64)
        deviation = np.sqrt(np.mean(np.var(values, axis=0)))
        return float(deviation / max(float(np.mean(values)), np.finfo(np.float64).tiny))

    @property
    def spreads(self) -> dict[str, float]:
        return {kind: self.spread(kind) for kind in KINDS if kind in self.values}

    @property
    def is_static(self) -> bool:
        """Whether the layer does the same to every image: none of its attentions varies."""
        return max(self.spreads.values()) < CONSTANT

    @property
    def entropies(self) -> Array | None:
        """Of the kernel attention of each image, (images,), from 0 (one kernel) to 1 (all alike).

        None where the layer has one kernel. Weights of CondConv, which do not add up to one, are
        divided by their sum.
        """
        kernel = self.values.get("kernel")
        if kernel is None or kernel.shape[1] < 2:
            return None
        shares = kernel.astype(np.float64)
        shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
        logs = np.log(np.maximum(shares, np.finfo(np.float64).tiny))
        found: Array = -(shares * logs).sum(axis=1) / np.log(shares.shape[1])
        return found

    def to_dict(self, labels: npt.NDArray[np.int64], classes: Sequence[str]) -> dict[str, Any]:
        """Plain numbers; the entropy by class where there are classes."""
        entropies = self.entropies
        return {
            "layer": self.path,
            "static": self.is_static,
            "attentions": {
                kind: {
                    "size": self.values[kind].shape[1],
                    "mean": float(np.mean(self.values[kind], dtype=np.float64)),
                    "spread": spread,
                }
                for kind, spread in self.spreads.items()
            },
            "entropy": None if entropies is None else float(entropies.mean()),
            "entropy_by_class": {}
            if entropies is None
            else dict(by_class(entropies, labels, classes)),
        }


def by_class(
    entropies: Array, labels: npt.NDArray[np.int64], classes: Sequence[str]
) -> list[tuple[str, float]]:
    """The mean entropy of the images of each class that has some."""
    return [
        (name, float(entropies[labels == label].mean()))
        for label, name in enumerate(classes)
        if np.any(labels == label)
    ]


def collected(batches: Sequence[Mapping[str, Mapping[str, Array]]]) -> list[LayerAttentions]:
    """The attentions of each layer over all batches, in the order of the network."""
    return [
        LayerAttentions(
            path,
            {
                kind: np.concatenate([_rows(batch[path][kind]) for batch in batches])
                for kind in found
            },
            _columns(found.get("spatial")),
        )
        for path, found in batches[0].items()
    ]


def _rows(values: Array) -> Array:
    """(batch, numbers)"""
    return values.reshape(len(values), -1)


def _columns(spatial: Array | None) -> int:
    """The last axis of a kernel that has more than one tap; the channels' axis is one."""
    taps = () if spatial is None else spatial.shape[1:]
    return next((count for count in reversed(taps) if count > 1), 1)
