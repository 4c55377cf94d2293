"""One training from its options."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from odconv_torch.models import build_model
from odconv_torch.models.backbone import Backbone
from odconv_torch.train import state
from odconv_torch.train.data import training_batches
from odconv_torch.train.evaluation import score
from odconv_torch.train.processes import Processes, joined
from odconv_torch.train.step import Step, parameter_dtype
from odconv_torch.train.sync_norm import average_statistics, synchronised
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
    """Trains, resumes or evaluates, as the options say, in this and all processes of torchrun.

    Raises:
        TrainingError: the data or a checkpoint are not what the options need, or `options.output`
            holds a run that is neither to be resumed nor overwritten.
        ConverterError: `options.start` cannot be loaded, or a checkpoint not be written.
        OSError: the file system says no.
    """
    with joined(options.device) as processes:
        check_output(options, "torch", processes.from_first)
        source = open_source(options.data, options.skip_corrupt)
        check_classes(source, options.spec)
        found = Training(options, source, processes)
        if options.evaluate:
            found.evaluate()
        else:
            found.run()


class Training(training.Training):
    """A network of PyTorch on its way from `progress` to the last step."""

    framework = "torch"
    step: Step

    def __init__(self, options: Options, source: Source, processes: Processes) -> None:
        self.processes = processes
        self.model = _network(options, processes)
        self.step = Step(self.model, options, processes)
        super().__init__(options, source, processes.writes)

    def _restore(self) -> None:
        path = self.options.output / LAST["torch"]
        found = state.read(path) if self.processes.writes and path.exists() else None
        content = self.processes.from_first(found)  # other machines may not have the file
        if content is None:
            self._without_checkpoint(path)
        else:
            self.progress = state.restore(self.step, content, self.options)
            self.top1 = content["acc"]

    def _loaded(
        self, batches: Sequence[IntArray], epoch: int
    ) -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
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
    torch.manual_seed(options.seed)
    model = build_model(options.spec)
    start(model, options)
    model.to(processes.device, parameter_dtype(options.precision))
    if options.sync_norm and processes.world > 1:
        synchronised(model, processes.device)
    return model
