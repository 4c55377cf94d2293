"""How good a network's answers are, as counts that can be added over processes."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

_COUNTS = 4  # images, top-1, top-5 and the sum of losses stand before the confusion
_TOP = 5


MEASURES = ("loss", "top1", "top5")


class Measured(Protocol):
    """What a course needs to know of a score; its `str` is for people."""

    @property
    def quality(self) -> float:
        """In percent; the epoch where it is highest is the best."""

    def row(self) -> tuple[float, ...]:
        """What the log of a training says, in the order of `Trainer.measures`."""


class Score:
    """Counts over the images that were added; `confusion` rows are truths, columns answers.

    Example:
        >>> score = Score(classes=3)
        >>> score.add([[2.0, 0.5, 0.1], [0.3, 0.1, 0.2]], [0, 1])
        >>> score.top1, score.images, score.confusion[1].tolist()
        (50.0, 2, [1, 0, 0])
    """

    def __init__(self, classes: int) -> None:
        self.images = 0
        self.top1_count = 0
        self.top5_count = 0
        self.loss_sum = 0.0
        self.confusion = np.zeros((classes, classes), np.int64)

    def add(self, logits: npt.ArrayLike, labels: npt.ArrayLike) -> None:
        """Adds a batch.

        Args:
            logits: (batch, classes) before the softmax.
            labels: (batch,)
        """
        values, truths = np.asarray(logits, np.float64), np.asarray(labels, np.int64)
        best = np.argsort(-values, axis=1, kind="stable")[:, :_TOP]  # (batch, 5)
        hits = best == truths[:, None]
        self.images += len(truths)
        self.top1_count += int(hits[:, 0].sum())
        self.top5_count += int(hits.sum())
        self.loss_sum += float(_cross_entropy(values, truths).sum())
        np.add.at(self.confusion, (truths, best[:, 0]), 1)

    @property
    def top1(self) -> float:
        """Percent of the images whose highest logit is that of their class.

        Returns:
            From 0 to 100.
        """
        return 100 * self.top1_count / self.images

    @property
    def top5(self) -> float:
        """Percent of the images whose class has one of the five highest logits.

        Returns:
            From 0 to 100.
        """
        return 100 * self.top5_count / self.images

    @property
    def loss(self) -> float:
        """Mean cross-entropy in nats.

        Returns:
            A number of nats, 0 at least.
        """
        return self.loss_sum / self.images

    @property
    def quality(self) -> float:
        """What the best epoch is chosen by: `top1`.

        Returns:
            A number that is the higher the better.
        """
        return self.top1

    def row(self) -> tuple[float, ...]:
        """As `MEASURES` names them.

        Returns:
            Loss, top-1 and top-5.
        """
        return self.loss, self.top1, self.top5

    def __str__(self) -> str:
        return f"top-1 {self.top1:.2f} %, top-5 {self.top5:.2f} %, loss {self.loss:.4f}"

    def as_array(self) -> npt.NDArray[np.float64]:
        """All counts in one array, so that the sum of arrays is the score of all images.

        Returns:
            One axis, float64.
        """
        counts = (self.images, self.top1_count, self.top5_count, self.loss_sum)
        return np.array([*counts, *self.confusion.flat], np.float64)

    @classmethod
    def from_array(cls, array: npt.ArrayLike) -> Score:
        """The score whose `as_array` this is.

        Returns:
            The score, equal in all counts.
        """
        values = np.asarray(array, np.float64)
        score = cls(round((len(values) - _COUNTS) ** 0.5))
        score.images, score.top1_count, score.top5_count = (int(count) for count in values[:3])
        score.loss_sum = float(values[3])
        score.confusion = values[_COUNTS:].astype(np.int64).reshape(score.confusion.shape)
        return score


def _cross_entropy(
    logits: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """(batch,) in nats."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    own = np.take_along_axis(shifted, labels[:, None], axis=1)[:, 0]
    losses: npt.NDArray[np.float64] = np.log(np.exp(shifted).sum(axis=1)) - own
    return losses
