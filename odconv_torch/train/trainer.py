"""A training in PyTorch: its network, and checkpoints that the official script can resume.

https://github.com/OSVAI/ODConv/blob/master/main.py reads "epoch", "state_dict" (of a network in
torch.nn.DataParallel), "best_acc" and "optimizer", and ignores what is added here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

import odconv_training
from odconv_torch.layers import set_temperature
from odconv_torch.models import Features, build_model
from odconv_torch.models.backbone import Backbone
from odconv_torch.tools.norms import freeze_norms
from odconv_torch.train.data import Batch, training_batches
from odconv_torch.train.evaluation import logits
from odconv_torch.train.joining import joined
from odconv_torch.train.precision import parameter_dtype
from odconv_torch.train.processes import Processes
from odconv_torch.train.step import Step
from odconv_torch.train.sync_norm import average_statistics, synchronised
from odconv_training import Answer, Facts, Options, Samples, replacing, run, start
from odconv_training.batches import IntArray
from weights_converter import Loaded

_PREFIX = "module."
# The official script opens this log when it resumes, and fails where there is none.
_OFFICIAL_LOG = "log.txt"
_OFFICIAL_COLUMNS = ("Learning Rate", "Train Loss", "Valid Loss", "Train Acc.", "Valid Acc.")


def train(options: Options) -> None:
    """Trains, resumes or evaluates, as the options say, in this and all processes of torchrun.

    Raises:
        TrainingError, ConverterError, OSError: as `odconv_training.run`; TrainingError also where
            torch has no such device, or another process ended too early.

    Example:
        >>> from odconv_training import parse
        >>> options = parse(["--output", "run_torch", "--steps", "2", "--quiet"], "torch")
        >>> train(options)
        >>> sorted(path.name for path in options.output.glob("*.csv"))
        ['train.csv', 'validation.csv']
    """
    with joined(options.device) as processes:
        run(options, processes, Trainer)


class Trainer(odconv_training.Trainer):
    """A network of PyTorch with its optimizer, and its checkpoints by `torch.save`.

    Example:
        >>> from odconv_torch.train.joining import joined
        >>> from odconv_training import batch_indices, fitted, open_source, parse
        >>> source = open_source("digits")
        >>> options = fitted(parse([], "torch"), source)
        >>> with joined("cpu") as processes:
        ...     trainer = Trainer(options, processes)
        >>> indices = batch_indices(len(source.train), 8, seed=0, epoch=0)
        >>> images, labels = next(iter(trainer.batches(source.train, indices, epoch=0)))
        >>> images.shape, trainer.facts.device
        (torch.Size([8, 3, 32, 32]), 'cpu')
    """

    framework = "torch"
    step: Step
    processes: Processes
    steps: type[Step] = Step

    def __init__(self, options: Options, processes: Processes) -> None:
        super().__init__(options, processes)
        torch.manual_seed(options.seed)
        self.model = self.build()
        started = start(self.body, options)
        self._prepare()
        self.step = self.steps(self.model, options, processes)
        self.facts = self.describe(started)

    def build(self) -> nn.Module:
        """The network with random weights.

        Returns:
            A module in training mode.
        """
        return build_model(self.options.spec)

    @property
    def body(self) -> Backbone | Features:
        """What starts from a checkpoint and may be frozen: all of a classifier.

        Returns:
            The network, or the body of a detector.
        """
        return cast(Backbone, self.model)

    def describe(self, started: Loaded | None) -> Facts:
        """What the head of a log says.

        Returns:
            Device, parameters that are trained, and what was started from.
        """
        trained = sum(p.numel() for p in self.model.parameters() if p.requires_grad)
        return Facts(str(self.processes.device), trained, started)

    def batches(self, samples: Samples, indices: Sequence[IntArray], epoch: int) -> Iterable[Batch]:
        self.model.train()
        seed, size, workers = self.options.seed, self.options.image_size, self.options.workers
        return training_batches(samples, indices, seed, epoch, size, workers)

    def answers(self, samples: Samples, indices: Sequence[IntArray]) -> Iterable[Answer]:
        size, workers = self.options.image_size, self.options.workers
        return logits(self.model, samples, indices, size, workers)

    def average_statistics(self) -> None:
        average_statistics(self.model, self.processes)

    def write(self, path: Path, content: Mapping[str, Any]) -> None:
        self.write_arrays(path, content)
        log = path.with_name(_OFFICIAL_LOG)
        if not log.exists():
            with replacing(log) as part:
                part.write_text("\t".join(_OFFICIAL_COLUMNS) + "\t\n", encoding="utf-8")

    def write_arrays(self, path: Path, content: Mapping[str, Any]) -> None:
        """Types that `torch.load` reads with `weights_only`."""
        arrays = self.model.state_dict()
        own: dict[str, Any] = {
            "state_dict": {_PREFIX + name: array for name, array in arrays.items()},
            "optimizer": self.step.optimizer.state_dict(),
            "scaler": self.step.scaler.state_dict(),
            "temperature": _temperature(self.model),
        }
        _write(path, {**content, **own})

    def read(self, path: Path) -> Any:
        return torch.load(path, map_location="cpu", weights_only=True)

    def restore(self, path: Path, content: Mapping[str, Any]) -> None:
        arrays = content["state_dict"].items()
        self.model.load_state_dict({name.removeprefix(_PREFIX): array for name, array in arrays})
        self.step.optimizer.load_state_dict(content["optimizer"])
        self.step.scaler.load_state_dict(content["scaler"])
        set_temperature(self.model, content["temperature"])

    def _prepare(self) -> None:
        """Puts the network where it is trained, and freezes what the recipe wants frozen."""
        options, processes = self.options, self.processes
        self.model.to(processes.device, parameter_dtype(options.precision))
        if options.sync_norm and processes.world > 1:
            synchronised(self.model, processes.device)
        self.body.freeze_stages(options.recipe.freeze_stages)
        if options.recipe.freeze_norms:
            freeze_norms(self.body)


def _temperature(model: nn.Module) -> float:
    """That of the last step; 1 in a network without attentions."""
    buffers = (b for name, b in model.named_buffers() if name.endswith("temperature"))
    return next((buffer.item() for buffer in buffers), 1.0)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    with path.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:
            # torch closes its archive after a failed write, and complains that it is too short.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise
