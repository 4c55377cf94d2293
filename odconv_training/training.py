"""The course of a training, the same in every framework: epochs, validation, checkpoints."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from odconv_training.batches import IntArray, batch_indices, steps_per_epoch
from odconv_training.checkpoints import Progress
from odconv_training.earlier import remove_earlier
from odconv_training.errors import TrainingError
from odconv_training.log import Log
from odconv_training.options import Options
from odconv_training.samples import Source
from odconv_training.scores import Score


class Training(ABC):
    """A network on its way from `progress` to the last step.

    A framework says how it loads batches, takes a step, scores, saves and restores. What it needs
    for that stands before this class is initialised, as that restores a checkpoint if it is asked.

    Attributes:
        framework: whose it is, as the checkpoints are named.
        options: of the command.
        source: the samples.
        progress: how far the training is.
        top1: of the last epoch, in percent.
        step: trains on this process's share of a global batch; from the number of the step, images,
            labels, the samples in the global batch, rate and temperature to the loss over all.
    """

    framework: ClassVar[str]
    step: Callable[[int, Any, Any, int, float, float], float]

    def __init__(self, options: Options, source: Source, writes: bool) -> None:
        self.options = options
        self.source = source
        self.progress = Progress.of(options, 0, 0, 0.0)
        self.top1 = 0.0
        self._writes = writes  # of several processes only one does
        self._steps_per_epoch = steps_per_epoch(len(source.train), options.recipe.batch_size)
        steps = self._steps_per_epoch * options.recipe.epochs
        self._end = min(steps, options.steps or steps)
        self._log: Log | None = None
        if options.resume or (options.evaluate and options.start is None):
            self._restore()

    def evaluate(self) -> None:
        """Says how good the network is."""
        found = self._score()
        if self._writes:
            sys.stdout.write(f"{found}, {found.images} images\n")

    def run(self) -> None:
        """Trains to the end, or to `options.steps`."""
        first = self.progress.step
        log = Log(self.options, first, self._end) if self._writes else nullcontext()
        with log as self._log:
            if first == 0:
                # Nothing to lose yet, but an older run in this folder must not be resumed.
                self._save()
                if self._writes and self.options.overwrite:
                    remove_earlier(self.options.output, self.framework)
            while self.progress.step < self._end:
                self._epoch(self.progress.epoch)

    @abstractmethod
    def _restore(self) -> None:
        """Goes on from the last checkpoint; calls `_without_checkpoint` where there is none."""

    @abstractmethod
    def _loaded(self, batches: Sequence[IntArray], epoch: int) -> Iterable[tuple[Any, Any]]:
        """Images and labels of this process's share of each global batch."""

    @abstractmethod
    def _average_statistics(self) -> None:
        """Makes the running statistics of all processes one; they are scored and saved so."""

    @abstractmethod
    def _score(self) -> Score:
        """That of the validation samples, over all processes."""

    @abstractmethod
    def _save(self, best: bool = False) -> None:
        """Replaces the last checkpoint, and the best one if this is it."""

    def _without_checkpoint(self, path: Path) -> None:
        """A training starts anew then; there is nothing to evaluate."""
        if self.options.evaluate:
            raise TrainingError(
                f"--evaluate: expected --start CKPT or a checkpoint {path}, received neither"
            )

    def _epoch(self, epoch: int) -> None:
        """What is left of an epoch."""
        first, begin = self.progress.step, epoch * self._steps_per_epoch
        count, size = len(self.source.train), self.options.recipe.batch_size
        batches = batch_indices(count, size, self.options.seed, epoch)
        batches = batches[first - begin : self._end - begin]
        for step, (images, labels) in enumerate(self._loaded(batches, epoch), first):
            self._train(step, epoch, images, labels, len(batches[step - first]))
        if self.progress.step == begin + self._steps_per_epoch:
            self._validate(epoch)
        else:
            self._save()

    def _train(self, step: int, epoch: int, images: Any, labels: Any, count: int) -> None:
        recipe, every = self.options.recipe, self.options.checkpoint_steps
        rate = recipe.learning_rate(step, self._steps_per_epoch)
        temperature = recipe.temperature(step, self._steps_per_epoch)
        loss = self.step(step, images, labels, count, rate, temperature)
        if self._log is not None:
            self._log.train(step, epoch, rate, temperature, loss, count)
        done = step + 1
        self.progress = replace(self.progress, step=done)
        saved_by_epoch = done == self._end or done % self._steps_per_epoch == 0
        if every is not None and done % every == 0 and not saved_by_epoch:
            self._save()

    def _validate(self, epoch: int) -> None:
        self._average_statistics()
        found = self._score()
        self.top1 = found.top1
        best = found.top1 >= self.progress.best_top1
        best_top1 = max(found.top1, self.progress.best_top1)
        self.progress = replace(self.progress, epoch=epoch + 1, best_top1=best_top1)
        if self._log is not None:
            self._log.validation(epoch, self.progress.step, found)
        self._save(best)
