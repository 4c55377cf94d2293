"""A training in Keras: its network, and .keras files with two members more as checkpoints.

`keras.saving.load_model` reads them, optimizer included, and so does weights_converter.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any, Final

import keras

import odconv_training
from odconv_keras.models import build_model
from odconv_keras.models.backbone import Backbone
from odconv_keras.tools.norms import freeze_norms
from odconv_keras.train.data import Batch, training_batches
from odconv_keras.train.evaluation import logits
from odconv_keras.train.joining import device_name, joined
from odconv_keras.train.precision import computing_in, policy
from odconv_keras.train.processes import Processes
from odconv_keras.train.step import Step
from odconv_training import Answer, Facts, Options, Samples, TrainingError, run, start
from odconv_training.batches import IntArray
from odconv_training.checkpoints import DAMAGE, refusing_damage

# Of the archive -> of the checkpoint's content; the converter reads both.
_MEMBERS: Final = {"odconv.json": "odconv", "class_names.json": "class_names"}


def train(options: Options) -> None:
    """Trains, resumes or evaluates, as the options say, in this and all processes it belongs to.

    Raises:
        TrainingError, ConverterError, OSError: as `odconv_training.run`; TrainingError also where
            the device is unknown, the backend cannot train in several processes, or another
            process ended before its time.

    Example:
        >>> from odconv_training import parse
        >>> options = parse(["--output", "run_keras", "--steps", "2", "--quiet"], "keras")
        >>> train(options)
        >>> sorted(path.name for path in options.output.glob("*.csv"))
        ['train.csv', 'validation.csv']
    """
    with computing_in(options.precision), joined(options.device) as processes:
        run(options, processes, Trainer)


class Trainer(odconv_training.Trainer):
    """A network of Keras with its optimizer, and its checkpoints by `Model.save`.

    Example:
        >>> from odconv_keras.train.joining import joined
        >>> from odconv_training import batch_indices, fitted, open_source, parse
        >>> source = open_source("digits")
        >>> options = fitted(parse([], "keras"), source)
        >>> with joined(None) as processes:
        ...     trainer = Trainer(options, processes)
        >>> indices = batch_indices(len(source.train), 8, seed=0, epoch=0)
        >>> images, labels = next(iter(trainer.batches(source.train, indices, epoch=0)))
        >>> len(images), trainer.framework
        (8, 'keras')
    """

    framework = "keras"
    step: Step
    processes: Processes

    def __init__(self, options: Options, processes: Processes) -> None:
        super().__init__(options, processes)
        self.model = _network(options)
        started = start(self.model, options)
        _prepare(self.model, options, processes)
        self.step = Step(self.model, options, processes)
        trained = sum(prod(v.shape) for v in self.model.trainable_variables)
        self.facts = Facts(device_name(), trained, started)

    def batches(self, samples: Samples, indices: Sequence[IntArray], epoch: int) -> Iterable[Batch]:
        seed, size, workers = self.options.seed, self.options.image_size, self.options.workers
        form = self.model.data_format
        return training_batches(samples, indices, seed, epoch, size, workers, form)

    def answers(self, samples: Samples, indices: Sequence[IntArray]) -> Iterable[Answer]:
        size, workers = self.options.image_size, self.options.workers
        model = self.processes.local(self.model)
        with self.processes.alone():
            yield from logits(model, samples, indices, size, workers)

    def average_statistics(self) -> None:
        self.processes.average_statistics(self.model)

    def write(self, path: Path, content: Mapping[str, Any]) -> None:
        # Keras writes to names with this ending only. One that a kill leaves is written over.
        named = path.with_name(".checkpoint.part.keras")
        try:
            with self.processes.alone():
                self.model.save(named)
            with zipfile.ZipFile(named, "a") as archive:
                for member, name in _MEMBERS.items():
                    archive.writestr(member, content[name])
            named.replace(path)
        finally:
            named.unlink(missing_ok=True)

    def read(self, path: Path) -> dict[str, str]:
        with zipfile.ZipFile(path) as archive:
            own = {member: _MEMBERS[member] for member in archive.namelist() if member in _MEMBERS}
            return {name: archive.read(member).decode() for member, name in own.items()}

    def restore(self, path: Path, content: Mapping[str, Any]) -> None:
        self._check_same(path, content)
        with refusing_damage(path, (*DAMAGE, OSError)):  # the last is HDF5's
            self.model.load_weights(path)

    def _check_same(self, path: Path, content: Mapping[str, Any]) -> None:
        """Each process reads the arrays itself, for Keras restores from files only."""
        with refusing_damage(path):
            same = path.exists() and self.read(path) == content
        if self.processes.total(same) != self.processes.world:
            raise TrainingError(
                f"expected the same checkpoint {path} in all processes, received other ones; "
                "give --output a folder that all of them see"
            )


def _network(options: Options) -> Backbone:
    keras.utils.set_random_seed(options.seed)
    return build_model(options.spec, dtype=policy(options.precision))


def _prepare(model: Backbone, options: Options, processes: Processes) -> None:
    """Makes norms those of all processes if asked, and freezes what the recipe wants frozen."""
    if options.sync_norm:
        processes.synchronise(model)
    model.freeze_stages(options.recipe.freeze_stages)
    if options.recipe.freeze_norms:
        freeze_norms(model)
