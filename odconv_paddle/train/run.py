"""One training from its options."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import paddle

from odconv_paddle.models.backbone import Backbone
from odconv_paddle.models.factory import build_model
from odconv_paddle.train import state
from odconv_paddle.train.data import training_batches
from odconv_paddle.train.evaluation import score
from odconv_paddle.train.processes import Processes, joined
from odconv_paddle.train.step import Step, parameter_dtype
from odconv_paddle.train.sync_norm import average_statistics, synchronised
from odconv_training import (
    LAST,
    Options,
    Score,
    Source,
    check_classes,
    check_output,
    open_source,
    share,
    start,
    training,
)
from odconv_training.batches import IntArray


def train(options: Options) -> None:
    """Trains, resumes or evaluates, as the options say, in this and all processes of launch.

    Raises:
        TrainingError: the data or a checkpoint are not what the options need, or `options.output`
            holds a run that is neither to be resumed nor overwritten.
        ConverterError: `options.start` cannot be loaded, or a checkpoint not be written.
        OSError: the file system says no.
    """
    with joined(options.device) as processes, _precision(options.precision):
        check_output(options, "paddle", processes.from_first)
        source = open_source(options.data, options.skip_corrupt)
        check_classes(source, options.spec)
        found = Training(options, source, processes)
        if options.evaluate:
            found.evaluate()
        else:
            found.run()


class Training(training.Training):
    """A network of Paddle on its way from `progress` to the last step."""

    framework = "paddle"
    step: Step

    def __init__(self, options: Options, source: Source, processes: Processes) -> None:
        self.processes = processes
        self.model = _network(options, processes)
        self.step = Step(self.model, options, processes)
        super().__init__(options, source, processes.writes)

    def _restore(self) -> None:
        path = self.options.output / LAST["paddle"]
        found = state.read(path) if self.processes.writes and path.exists() else None
        content = self.processes.from_first(found)  # other machines may not have the file
        if content is None:
            self._without_checkpoint(path)
        else:
            self.progress = state.restore(self.step, content, self.options)
            self.top1 = content["acc"]

    def _loaded(
        self, batches: Sequence[IntArray], epoch: int
    ) -> Iterable[tuple[paddle.Tensor, paddle.Tensor]]:
        options = self.options
        shares = [share(batch, self.processes.rank, self.processes.world) for batch in batches]
        self.model.train()
        return training_batches(
            self.source.train, shares, options.seed, epoch, options.image_size, options.workers
        )

    def _average_statistics(self) -> None:
        average_statistics(self.model, self.processes)

    def _score(self) -> Score:
        return score(self.model, self.source.validation, self.options, self.processes)

    def _save(self, best: bool = False) -> None:
        self._average_statistics()
        if self.processes.writes:
            content = state.checkpoint(self.step, self.progress, self.options, self.top1)
            state.save(self.options.output, content, best)


def _network(options: Options, processes: Processes) -> Backbone:
    paddle.seed(options.seed)
    model = build_model(options.spec)
    start(model, options)
    if options.sync_norm and processes.world > 1:
        synchronised(model)
    processes.share_weights(model)
    return model


@contextmanager
def _precision(precision: str) -> Iterator[None]:
    """Layers take their dtype from Paddle's default as they are made."""
    before = paddle.get_default_dtype()
    paddle.set_default_dtype(parameter_dtype(precision))
    try:
        yield
    finally:
        paddle.set_default_dtype(before)
