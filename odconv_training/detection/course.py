"""The course of a detection training: that of every training, with other words at its ends."""

from __future__ import annotations

import shlex
from dataclasses import replace

from odconv_training.checkpoints import BEST
from odconv_training.course import Course
from odconv_training.detection.options import DetectionOptions
from odconv_training.detection.samples import Scenes, open_scenes
from odconv_training.earlier import check_output
from odconv_training.processes import Processes
from odconv_training.trainer import Trainer
from weights_converter.errors import legible


def run(options: DetectionOptions, processes: Processes, trainer: type[Trainer]) -> None:
    """Trains or resumes, as the options say.

    Args:
        options: of the command.
        processes: this process among those of the training.
        trainer: the framework's class; its detector is built once folder and data are checked.

    Raises:
        TrainingError: the data or a checkpoint are not what the options need, or `options.output`
            holds a run that is neither to be resumed nor overwritten.
        ConverterError: `options.start` cannot be loaded, or a checkpoint not be written.
        OSError: a file cannot be read or written.
    """
    check_output(options, trainer.framework, processes.from_first)
    scenes = open_scenes(options.data, options.detector.masks, options.skip_corrupt)
    options = with_categories(options, scenes)
    DetectionCourse(options, scenes, trainer(options, processes)).run()


def with_categories(options: DetectionOptions, scenes: Scenes) -> DetectionOptions:
    """The options with the categories of the data."""
    categories = scenes.train.categories
    return replace(options, categories=categories, class_names=scenes.classes)


class DetectionCourse(Course):
    """A detector on its way to the last step; see `Course`."""

    source: Scenes

    def header(self) -> str:
        """With what is left out of the data."""
        splits = (self.source.train, self.source.validation)
        notes = [note for split in splits for note in split.left_out]
        return "\n".join([super().header(), *(f"without {legible(note)}" for note in notes)])

    def footer(self) -> str:
        """How good it is, where the best is, and what can be done with it."""
        if self.progress.epoch == 0:
            return f"stopped after step {self.progress.step}; --resume continues"
        best = self.options.output / BEST[self.trainer.framework]
        start = f"python -m odconv_{self.trainer.framework}.detect"
        file, data = shlex.quote(str(best)), shlex.quote(self.options.data)
        found = f"AP {self.progress.best_top1:.2f} % after epoch {self.progress.best_epoch}"
        return "\n".join(
            (
                f"best    {found}, in {legible(str(best))}",
                f"next    {start} evaluate {file} --data {data}",
                f"        {start} predict {file} IMAGE",
            )
        )
