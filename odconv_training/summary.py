"""What a training says before its first step and after its last one."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from odconv_training.checkpoints import BEST, LAST
from odconv_training.classes import listed
from odconv_training.log import TABLES
from odconv_training.options import Options
from odconv_training.progress import Progress
from odconv_training.samples import DIGITS, Source
from odconv_training.trainer import Facts, Trainer
from weights_converter.errors import legible
from weights_converter.identify.backbones import describe

_DEFAULT_SIZE = 224


def header(options: Options, source: Source, trainer: Trainer, first: int, end: int) -> str:
    """What is trained, where, on what, from what and to what.

    Args:
        options: of the command.
        source: the samples.
        trainer: the network in its framework.
        first: the step that it begins or continues with.
        end: the step that it ends before.
    """
    facts, recipe, world = trainer.facts, options.recipe, trainer.processes.world
    machines = "" if world == 1 else f", {world} processes"
    head_rate = "" if recipe.head_lr is None else f", of the head {recipe.head_lr:g}"
    files = (LAST[trainer.framework], BEST[trainer.framework], *TABLES)
    lines = [
        ("network", f"{facts.network or describe(options.spec)}, {_parameters(options, facts)}"),
        ("device", f"{facts.device}, {trainer.framework}, {options.precision}{machines}"),
        (
            "data",
            f"{_path(options.data)}: {len(source.train)} images to train with, "
            f"{len(source.validation)} to validate with",
        ),
        ("classes", f"{len(source.classes)}: {listed(list(map(legible, source.classes)))}"),
        (
            "recipe",
            f"{recipe.epochs} epochs, batches of {recipe.batch_size}, rate {recipe.lr:g}"
            f"{head_rate}, {recipe.schedule}",
        ),
        ("start", f"continues after step {first} of {end}" if first else _start(options, facts)),
        ("writes", f"{_path(options.output)}: {', '.join(files)}"),
    ]
    return _aligned(lines)


def footer(options: Options, progress: Progress, framework: str) -> str:
    """How good it is, where the best is, and what can be done with it."""
    if progress.epoch == 0:
        return _aligned([("stopped", f"after step {progress.step}; --resume continues")])
    best = options.output / BEST[framework]
    file, converted = _quoted(best), _quoted(best.with_name("model_best.safetensors"))
    size = "" if options.image_size == _DEFAULT_SIZE else f" --image-size {options.image_size}"
    read = f"--framework {framework}{size}"
    next_ = [f"odconv evaluate {file} --data {_quoted(options.data)} {read}"]
    if options.data != DIGITS:  # of which there are no files
        next_.append(f"odconv predict {file} IMAGE {read}")
    next_.append(f"odconv convert {file} {converted}")
    found = f"top-1 {progress.best_top1:.2f} % after epoch {progress.best_epoch}"
    lines = [("best", f"{found}, in {_path(best)}"), ("next", next_[0])]
    return _aligned([*lines, *(("", command) for command in next_[1:])])


def _parameters(options: Options, facts: Facts) -> str:
    every = facts.parameters or options.spec.trainable_count()
    told = f"{every:,} parameters"
    return told if facts.trained == every else f"{told}, {facts.trained:,} of them trained"


def _start(options: Options, facts: Facts) -> str:
    if facts.started is None:
        return "random weights"
    told, anew = _path(str(options.start)), ", ".join(facts.started.skipped)
    return f"{told}, without its head: {anew} start at random" if anew else told


def _path(path: str | Path) -> str:
    return legible(str(path))


def _quoted(path: str | Path) -> str:
    return shlex.quote(str(path))


def _aligned(lines: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"{name:<8}{text}" for name, text in lines)
