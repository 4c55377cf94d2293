"""One training from its options."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import replace

import keras
import numpy as np

from odconv_keras.models import build_model
from odconv_keras.models.backbone import Backbone
from odconv_keras.train import state
from odconv_keras.train.data import training_batches
from odconv_keras.train.evaluation import score
from odconv_keras.train.precision import computing_in, policy
from odconv_keras.train.processes import Processes, joined
from odconv_keras.train.step import Step
from odconv_training import (
    LAST,
    Log,
    Options,
    Progress,
    Source,
    TrainingError,
    batch_indices,
    check_classes,
    open_source,
    start,
    steps_per_epoch,
)


def train(options: Options) -> None:
    """Trains, resumes or evaluates, as the options say, in this and all processes it belongs to.

    Raises:
        TrainingError: the data or a checkpoint are not what the options need.
        ConverterError: `options.start` cannot be loaded, or a checkpoint not be written.
        OSError: the file system says no.
    """
    with computing_in(options.precision), joined(options.device) as processes:
        source = open_source(options.data, options.skip_corrupt)
        check_classes(source, options.spec)
        training = Training(options, source, processes)
        if options.evaluate:
            training.evaluate()
        else:
            training.run()


class Training:
    """A network on its way from `progress` to the last step."""

    def __init__(self, options: Options, source: Source, processes: Processes) -> None:
        self.options = options
        self.source = source
        self.processes = processes
        self.model = _network(options, processes)
        self.step = Step(self.model, options, processes)
        self.progress = Progress.of(options, 0, 0, 0.0)
        self._steps_per_epoch = steps_per_epoch(len(source.train), options.recipe.batch_size)
        steps = self._steps_per_epoch * options.recipe.epochs
        self._end = min(steps, options.steps or steps)
        self._log: Log | None = None
        if options.resume or (options.evaluate and options.start is None):
            self._restore()

    def evaluate(self) -> None:
        """Says how good the network is."""
        found = score(self.model, self.source.validation, self.options, self.processes)
        if self.processes.writes:
            sys.stdout.write(f"{found}, {found.images} images\n")

    def run(self) -> None:
        """Trains to the end, or to `options.steps`."""
        first = self.progress.step
        log = Log(self.options, first, self._end) if self.processes.writes else nullcontext()
        with log as self._log:
            if first == 0:
                # Nothing to lose yet, but an older run in this folder must not be resumed.
                self._save()
            while self.progress.step < self._end:
                self._epoch(self.progress.epoch)

    def _restore(self) -> None:
        path = self.options.output / LAST["keras"]
        if path.exists():
            self.progress = state.restore(path, self.model, self.options)
        elif self.options.evaluate:
            raise TrainingError(
                f"--evaluate: expected --start CKPT or a checkpoint {path}, received neither"
            )
        steps = self.processes.total(np.array([self.progress.step], np.float64))[0]
        if steps != self.progress.step * self.processes.world:
            raise TrainingError(
                f"expected the same checkpoint {path} in all processes, received other ones; "
                "give --output a folder that all of them see"
            )

    def _epoch(self, epoch: int) -> None:
        """What is left of an epoch."""
        options = self.options
        samples, first = self.source.train, self.progress.step
        begin = epoch * self._steps_per_epoch
        batches = batch_indices(len(samples), options.recipe.batch_size, options.seed, epoch)
        batches = batches[first - begin : self._end - begin]
        loaded = training_batches(
            samples,
            [self.processes.share(batch) for batch in batches],
            options.seed,
            epoch,
            options.image_size,
            options.workers,
            self.model.data_format,
        )
        for step, (images, labels) in enumerate(loaded, first):
            self._train(step, epoch, images, labels, len(batches[step - first]))
        if self.progress.step == begin + self._steps_per_epoch:
            self._validate(epoch)
        else:
            self._save()

    def _train(
        self, step: int, epoch: int, images: np.ndarray, labels: np.ndarray, count: int
    ) -> None:
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
        self.processes.average_statistics(self.model)
        found = score(self.model, self.source.validation, self.options, self.processes)
        best = found.top1 >= self.progress.best_top1
        best_top1 = max(found.top1, self.progress.best_top1)
        self.progress = replace(self.progress, epoch=epoch + 1, best_top1=best_top1)
        if self._log is not None:
            self._log.validation(epoch, self.progress.step, found)
        self._save(best)

    def _save(self, best: bool = False) -> None:
        self.processes.average_statistics(self.model)
        if self.processes.writes:
            with self.processes.alone():
                state.save(self.options.output, self.model, self.progress, best)


def _network(options: Options, processes: Processes) -> Backbone:
    keras.utils.set_random_seed(options.seed)
    model = build_model(options.spec, dtype=policy(options.precision))
    start(model, options)
    if options.sync_norm:
        processes.synchronise(model)
    return model
