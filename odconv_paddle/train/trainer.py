"""A training in Paddle: its network, and checkpoints by paddle.save, which the converter reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import paddle

import odconv_training
from odconv_paddle.layers import set_temperature
from odconv_paddle.layers.temperature import Tempered
from odconv_paddle.models.backbone import Backbone
from odconv_paddle.models.factory import build_model
from odconv_paddle.tools.norms import freeze_norms
from odconv_paddle.train.data import Batch, training_batches
from odconv_paddle.train.evaluation import logits
from odconv_paddle.train.joining import joined
from odconv_paddle.train.precision import computing_in
from odconv_paddle.train.processes import Processes
from odconv_paddle.train.step import Step
from odconv_paddle.train.sync_norm import average_statistics, synchronised
from odconv_training import Answer, Facts, Options, Samples, run, start
from odconv_training.batches import IntArray


def train(options: Options) -> None:
    """Trains, resumes or evaluates, as the options say, in this and all processes of launch.

    Raises:
        TrainingError, ConverterError, OSError: as `odconv_training.run`; TrainingError also where
            Paddle has no such device, or another process ended too early.

    Example:
        >>> from odconv_training import parse
        >>> options = parse(["--output", "run_paddle", "--steps", "2", "--quiet"], "paddle")
        >>> train(options)
        >>> sorted(path.name for path in options.output.glob("*.csv"))
        ['train.csv', 'validation.csv']
    """
    with joined(options.device) as processes, computing_in(options.precision):
        run(options, processes, Trainer)


class Trainer(odconv_training.Trainer):
    """A network of Paddle with its optimizer, and its checkpoints by `paddle.save`.

    Example:
        >>> from odconv_paddle.train.joining import joined
        >>> from odconv_training import batch_indices, fitted, open_source, parse
        >>> source = open_source("digits")
        >>> options = fitted(parse([], "paddle"), source)
        >>> with joined("cpu") as processes:
        ...     trainer = Trainer(options, processes)
        >>> indices = batch_indices(len(source.train), 8, seed=0, epoch=0)
        >>> images, labels = next(iter(trainer.batches(source.train, indices, epoch=0)))
        >>> tuple(images.shape), trainer.framework
        ((8, 3, 32, 32), 'paddle')
    """

    framework = "paddle"
    step: Step
    processes: Processes

    def __init__(self, options: Options, processes: Processes) -> None:
        super().__init__(options, processes)
        self.model = _network(options)
        started = start(self.model, options)
        _prepare(self.model, options, processes)
        self.step = Step(self.model, options, processes)
        trained = sum(int(p.size) for p in self.model.parameters() if not p.stop_gradient)
        self.facts = Facts(paddle.get_device(), trained, started)

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
        own: dict[str, Any] = {
            "state_dict": dict(self.model.state_dict()),
            "optimizer": dict(self.step.optimizer.velocities),
            "scaler": self.step.scaler.state_dict(),
            "temperature": _temperature(self.model),
        }
        paddle.save({**content, **own}, str(path))

    def read(self, path: Path) -> Any:
        return paddle.load(str(path), return_numpy=True)  # a pickle, so of a trusted folder

    def restore(self, path: Path, content: Mapping[str, Any]) -> None:
        self.model.set_state_dict(content["state_dict"])
        self.step.optimizer.load(content["optimizer"])
        if content["scaler"]:
            self.step.scaler.load_state_dict(content["scaler"])
        set_temperature(self.model, content["temperature"])


def _network(options: Options) -> Backbone:
    paddle.seed(options.seed)
    return build_model(options.spec)


def _prepare(model: Backbone, options: Options, processes: Processes) -> None:
    """Makes the network that of all processes, and freezes what the recipe wants frozen."""
    if options.sync_norm and processes.world > 1:
        synchronised(model)
    processes.share_weights(model)
    model.freeze_stages(options.recipe.freeze_stages)
    if options.recipe.freeze_norms:
        freeze_norms(model)


def _temperature(model: Backbone) -> float:
    """That of the last step; 1 in a network without attentions."""
    layers = (layer for layer in model.sublayers() if isinstance(layer, Tempered))
    return next((float(layer.temperature) for layer in layers), 1.0)
