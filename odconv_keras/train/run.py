"""One training from its options."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import keras
import numpy as np

from odconv_keras.models import build_model
from odconv_keras.models.backbone import Backbone
from odconv_keras.train import state
from odconv_keras.train.data import training_batches
from odconv_keras.train.evaluation import score
from odconv_keras.train.joining import joined
from odconv_keras.train.precision import computing_in, policy
from odconv_keras.train.processes import Processes
from odconv_keras.train.step import Step
from odconv_training import (
    LAST,
    Options,
    Score,
    Source,
    TrainingError,
    check_classes,
    check_output,
    open_source,
    start,
    training,
)
from odconv_training.batches import IntArray


def train(options: Options) -> None:
    """Trains, resumes or evaluates, as the options say, in this and all processes it belongs to.

    Raises:
        TrainingError: the data or a checkpoint are not what the options need, or `options.output`
            holds a run that is neither to be resumed nor overwritten.
        ConverterError: `options.start` cannot be loaded, or a checkpoint not be written.
        OSError: the file system says no.
    """
    with computing_in(options.precision), joined(options.device) as processes:
        check_output(options, "keras", processes.from_first)
        source = open_source(options.data, options.skip_corrupt)
        check_classes(source, options.spec)
        found = Training(options, source, processes)
        if options.evaluate:
            found.evaluate()
        else:
            found.run()


class Training(training.Training):
    """A network of Keras on its way from `progress` to the last step."""

    framework = "keras"
    step: Step

    def __init__(self, options: Options, source: Source, processes: Processes) -> None:
        self.processes = processes
        self.model = _network(options, processes)
        self.step = Step(self.model, options, processes)
        super().__init__(options, source, processes.writes)

    def _restore(self) -> None:
        path = self.options.output / LAST["keras"]
        if path.exists():
            self.progress = state.restore(path, self.model, self.options)
        else:
            self._without_checkpoint(path)
        steps = self.processes.total(np.array([self.progress.step], np.float64))[0]
        if steps != self.progress.step * self.processes.world:
            raise TrainingError(
                f"expected the same checkpoint {path} in all processes, received other ones; "
                "give --output a folder that all of them see"
            )

    def _loaded(
        self, batches: Sequence[IntArray], epoch: int
    ) -> Iterable[tuple[np.ndarray, np.ndarray]]:
        options = self.options
        return training_batches(
            self.source.train,
            [self.processes.share(batch) for batch in batches],
            options.seed,
            epoch,
            options.image_size,
            options.workers,
            self.model.data_format,
        )

    def _average_statistics(self) -> None:
        self.processes.average_statistics(self.model)

    def _score(self) -> Score:
        return score(self.model, self.source.validation, self.options, self.processes)

    def _save(self, best: bool = False) -> None:
        self._average_statistics()
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
