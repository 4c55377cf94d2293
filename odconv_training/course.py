"""The course of a training, the same in every framework: epochs, validation, checkpoints."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from odconv_training.batches import batch_indices, steps_per_epoch
from odconv_training.checkpoints import LAST, read, save
from odconv_training.classes import fitted
from odconv_training.earlier import check_output, remove_earlier
from odconv_training.errors import TrainingError
from odconv_training.log import Log
from odconv_training.options import Options
from odconv_training.processes import Processes
from odconv_training.progress import Progress, check_class_names, content_of
from odconv_training.samples import Source, open_source
from odconv_training.summary import footer, header
from odconv_training.trainer import Trainer


def run(options: Options, processes: Processes, trainer: type[Trainer]) -> None:
    """Trains, resumes or evaluates, as the options say.

    Args:
        options: of the command, which may leave the number of classes to the data.
        processes: this process among those of the training.
        trainer: the framework's class; its network is built once folder and data are checked.

    Raises:
        TrainingError: the data or a checkpoint are not what the options need, or `options.output`
            holds a run that is neither to be resumed nor overwritten.
        ConverterError: `options.start` cannot be loaded, or a checkpoint not be written.
        OSError: a file cannot be read or written.

    Example:
        With `Linear`, the network in the example of `Trainer`:

        >>> from odconv_training import parse
        >>> options = parse(["--output", "linear", "--steps", "20", "--quiet"], "torch")
        >>> run(options, Processes(), Linear)
        >>> sorted(path.name for path in options.output.glob("*.csv"))
        ['train.csv', 'validation.csv']
    """
    check_output(options, trainer.framework, processes.from_first)
    source = open_source(options.data, options.skip_corrupt)
    options = fitted(options, source)
    course = Course(options, source, trainer(options, processes))
    if options.evaluate:
        course.evaluate()
    else:
        course.run()


class Course:
    """A network on its way from `progress` to the last step.

    A new course continues from the last checkpoint where the options ask for it.

    Attributes:
        options: of the command, with the classes of the data.
        source: the samples.
        trainer: the network in its framework.
        progress: how far the training is.
        top1: of the last epoch, in percent; the AP of a detector.

    Raises:
        TrainingError: the last checkpoint is damaged, or of another training; or there is nothing
            to evaluate.

    Example:
        With `Linear`, the network in the example of `Trainer`:

        >>> from odconv_training import fitted, parse
        >>> source = open_source("digits")
        >>> options = fitted(parse(["--output", "course", "--steps", "20"], "torch"), source)
        >>> course = Course(options, source, Linear(options, Processes()))
        >>> course.header().splitlines()[0].rpartition(", ")[2]
        '30,720 of them trained'
        >>> course.progress.step
        0
    """

    def __init__(self, options: Options, source: Source, trainer: Trainer) -> None:
        self.options = options
        self.source = source
        self.trainer = trainer
        self.progress = Progress.of(options, 0, 0, 0.0)
        self.top1 = 0.0
        self._steps_per_epoch = steps_per_epoch(len(source.train), options.recipe.batch_size)
        steps = self._steps_per_epoch * options.recipe.epochs
        self._end = min(steps, options.steps or steps)
        self._log: Log | None = None
        if options.resume or (options.evaluate and options.start is None):
            self._restore()

    def evaluate(self) -> None:
        """Prints how good the network is."""
        samples = self.source.validation
        score = self.trainer.score(samples)
        if self.trainer.processes.writes:  # of several processes only one does
            sys.stdout.write(f"{score}, {len(samples)} images\n")

    def run(self) -> None:
        """Trains to the end, or to `options.steps`."""
        first, writes = self.progress.step, self.trainer.processes.writes
        self._say(self.header())
        measures = self.trainer.measures
        log = Log(self.options, first, self._end, measures) if writes else nullcontext()
        with log as self._log:
            if first == 0:
                # Nothing to lose yet, but an older run in this folder must not be resumed.
                self._save()
                if writes and self.options.overwrite:
                    remove_earlier(self.options.output, self.trainer.framework)
            while self.progress.step < self._end:
                self._epoch(self.progress.epoch)
        self._say(self.footer())

    def header(self) -> str:
        """What is printed before the first step.

        Returns:
            Several lines.
        """
        return header(self.options, self.source, self.trainer, self.progress.step, self._end)

    def footer(self) -> str:
        """What is printed after the last one.

        Returns:
            One line or two.
        """
        return footer(self.options, self.progress, self.trainer.framework)

    def _say(self, text: str) -> None:
        if self.trainer.processes.writes and not self.options.quiet:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()

    def _restore(self) -> None:
        path = self.options.output / LAST[self.trainer.framework]
        content = read(self.trainer, path)
        if content is not None:
            progress = Progress.from_json(content["odconv"])
            progress.check(self.options)
            check_class_names(content, self.options)
            self.trainer.restore(path, content)
            self.progress = replace(progress, recipe=self.progress.recipe)  # it may be longer now
            self.top1 = content.get("acc", 0.0)
        elif self.options.evaluate:
            raise TrainingError(
                f"--evaluate: expected --start CKPT or a checkpoint {path}, received neither"
            )

    def _epoch(self, epoch: int) -> None:
        """What is left of an epoch."""
        first, begin = self.progress.step, epoch * self._steps_per_epoch
        samples, size = self.source.train, self.options.recipe.batch_size
        batches = batch_indices(len(samples), size, self.options.seed, epoch)
        batches = batches[first - begin : self._end - begin]
        shares = [self.trainer.processes.share(batch) for batch in batches]
        loaded = enumerate(self.trainer.batches(samples, shares, epoch), first)
        for step, (images, labels) in loaded:
            self._train(step, epoch, images, labels, len(batches[step - first]))
        if self.progress.step == begin + self._steps_per_epoch:
            self._validate(epoch)
        else:
            self._save()

    def _train(self, step: int, epoch: int, images: Any, labels: Any, count: int) -> None:
        recipe, every = self.options.recipe, self.options.checkpoint_steps
        rate = recipe.learning_rate(step, self._steps_per_epoch)
        temperature = recipe.temperature(step, self._steps_per_epoch)
        loss = self.trainer.step(step, images, labels, count, rate, temperature)
        if self._log is not None:
            self._log.train(step, epoch, rate, temperature, loss, count)
        done = step + 1
        self.progress = replace(self.progress, step=done)
        saved_by_epoch = done == self._end or done % self._steps_per_epoch == 0
        if every is not None and done % every == 0 and not saved_by_epoch:
            self._save()

    def _validate(self, epoch: int) -> None:
        self.trainer.average_statistics()
        score = self.trainer.score(self.source.validation)
        self.top1 = score.quality
        best = score.quality >= self.progress.best_top1
        self.progress = replace(self.progress, epoch=epoch + 1)
        if best:
            self.progress = replace(self.progress, best_top1=score.quality, best_epoch=epoch)
        if self._log is not None:
            self._log.validation(epoch, self.progress.step, score)
        self._save(best)

    def _save(self, best: bool = False) -> None:
        """Replaces the last checkpoint, and the best one if this is it."""
        self.trainer.average_statistics()
        if self.trainer.processes.writes:
            content = content_of(self.options, self.progress, self.top1)
            save(self.trainer, self.options.output, content, best)
