"""What a framework does in a training; `Course` says when."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from odconv_training.batches import IntArray, in_order, shards
from odconv_training.options import Options
from odconv_training.processes import Processes
from odconv_training.samples import Samples
from odconv_training.scores import MEASURES, Measured, Score
from weights_converter import Loaded

Answer = tuple[npt.NDArray[np.floating[Any]], IntArray]
"""Logits of a batch, (batch, classes), and its labels, (batch,)."""


class Step(Protocol):
    """Takes a network one batch further.

    Example:
        >>> def watching(step, images, labels, count, rate, temperature):
        ...     return 0.0  # a network that has nothing to learn
        >>> take: Step = watching
        >>> take(0, None, None, count=8, rate=0.1, temperature=30.0)
        0.0
    """

    def __call__(
        self, step: int, images: Any, labels: Any, count: int, rate: float, temperature: float
    ) -> float:
        """Trains on this process's share of a global batch.

        Args:
            step: counted from 0 over the whole training.
            images: (batch, channels, height, width); in Keras as the model's data format says.
            labels: (batch,)
            count: of the samples in the global batch.
            rate: the learning rate.
            temperature: of the attentions.

        Returns:
            The mean loss over the global batch, the same in all processes.
        """


@dataclass(frozen=True)
class Facts:
    """What the head of a log says of a network.

    Attributes:
        device: where it is trained, such as "cuda:0".
        trained: number of parameters that the optimizer changes.
        started: what `checkpoints.start` has done, None without a start.
        network: what it is, where the spec of the options does not say all of it.
        parameters: how many that has.

    Example:
        >>> Facts("cuda:0", trained=548_345).started is None
        True
    """

    device: str
    trained: int
    started: Loaded | None = None
    network: str = ""
    parameters: int | None = None


class Trainer(ABC):
    """A network with its optimizer, its batches and its checkpoint files, in one framework.

    Attributes:
        framework: whose it is, as the checkpoints are named.
        options: of the command.
        processes: this process among those of the training.
        step: trains on one batch.
        facts: of the network.
        measures: names of what `score` gives.

    Example:
        A network of one matrix, whose files are those of NumPy:

        >>> class Linear(Trainer):
        ...     framework = "torch"  # the names of its files
        ...
        ...     def __init__(self, options, processes):
        ...         super().__init__(options, processes)
        ...         self.weight = np.zeros((3 * 32 * 32, options.spec.num_classes))
        ...         self.facts = Facts("cpu", trained=self.weight.size)
        ...
        ...     def batches(self, samples, indices, epoch):
        ...         flat = samples.images.reshape(len(samples), -1)
        ...         return ((flat[batch], samples.labels[batch]) for batch in indices)
        ...
        ...     def answers(self, samples, indices):
        ...         batches = self.batches(samples, indices, epoch=0)
        ...         return ((images @ self.weight, labels) for images, labels in batches)
        ...
        ...     def step(self, step, images, labels, count, rate, temperature):
        ...         rows, logits = np.arange(count), images @ self.weight
        ...         chances = np.exp(logits - logits.max(axis=1, keepdims=True))
        ...         chances /= chances.sum(axis=1, keepdims=True)
        ...         loss = -np.log(chances[rows, labels]).mean()
        ...         chances[rows, labels] -= 1
        ...         self.weight -= rate / count * images.T @ chances
        ...         return float(loss)
        ...
        ...     def average_statistics(self):
        ...         pass  # it has none
        ...
        ...     def write(self, path, content):
        ...         with path.open("wb") as file:
        ...             np.savez(file, weight=self.weight, **content)
        ...
        ...     def read(self, path):
        ...         with np.load(path) as file:
        ...             return {name: file[name].item() for name in file if name != "weight"}
        ...
        ...     def restore(self, path, content):
        ...         with np.load(path) as file:
        ...             self.weight = file["weight"]
        >>> from odconv_training import fitted, open_source, parse
        >>> source = open_source("digits")
        >>> options = fitted(parse([], "torch"), source)
        >>> trainer = Linear(options, Processes())
        >>> images, labels = next(trainer.batches(source.train, [np.arange(64)], epoch=0))
        >>> losses = [trainer.step(n, images, labels, 64, 0.01, temperature=1.0) for n in range(9)]
        >>> losses[-1] < losses[0]
        True
        >>> trainer.score(source.validation).top1 > 30
        True
    """

    measures: tuple[str, ...] = MEASURES
    framework: ClassVar[str]
    step: Step
    facts: Facts

    def __init__(self, options: Options, processes: Processes) -> None:
        self.options = options
        self.processes = processes

    @abstractmethod
    def batches(
        self, samples: Samples, indices: Sequence[IntArray], epoch: int
    ) -> Iterable[tuple[Any, Any]]:
        """Images and labels of each batch for `step`; puts the network into training mode.

        An image of a folder gets a random crop and flip by its seed, epoch and index, so that it
        does not depend on how many workers there are and where a training was resumed.

        Args:
            samples: the training split.
            indices: of the samples in each batch.
            epoch: counted from 0.

        Returns:
            Pairs of the framework's tensors: images as `step` takes them, and (batch,).
        """

    @abstractmethod
    def answers(self, samples: Samples, indices: Sequence[IntArray]) -> Iterable[Answer]:
        """Logits and labels of each batch; puts the network into evaluation mode.

        An image of a folder is resized and cropped at its centre.

        Args:
            samples: the validation split.
            indices: of the samples in each call of the network.

        Returns:
            Pairs of arrays: (batch, classes) and (batch,).
        """

    def score(self, samples: Samples) -> Measured:
        """How good the network is on samples, of which each process looks at its part.

        Returns:
            The score of all samples together, the same in all processes.
        """
        own = shards(len(samples), self.processes.rank, self.processes.world)
        score = Score(self.options.spec.num_classes)
        for logits, labels in self.answers(samples, in_order(own)):
            score.add(logits, labels)
        return Score.from_array(self.processes.total(score.as_array()))

    @abstractmethod
    def average_statistics(self) -> None:
        """Makes the running statistics of all processes one; they are scored and saved so."""

    @abstractmethod
    def write(self, path: Path, content: Mapping[str, Any]) -> None:
        """Writes a checkpoint: `content`, which `Course` reads back, and all arrays.

        Args:
            path: of an empty file, which takes its place when this returns.
            content: numbers and texts by name; a format without a place for them keeps "odconv".

        Raises:
            OSError: the disk is full or not writable.
        """

    @abstractmethod
    def read(self, path: Path) -> Any:
        """What `write` wrote; an error of `checkpoints.DAMAGE` says that the file is damaged.

        Returns:
            The `content` of that call.
        """

    @abstractmethod
    def restore(self, path: Path, content: Mapping[str, Any]) -> None:
        """Puts the arrays of a checkpoint into the network and its optimizer, in all processes.

        Args:
            path: of the file, which only the first process is sure to have.
            content: what `read` returned there.
        """
