"""Trains in one framework, in a process of its own, and says how good each network became."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain, repeat
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.finetuning import tasks
from odconv_training import LAST, Course, Options, Source, Trainer

FRAMEWORKS = ("torch", "paddle", "keras")


@dataclass(frozen=True)
class Run:
    """One training on the new digits: percent of their test images at its end."""

    framework: str
    start: str
    seed: int
    top1: float


def all_runs(frameworks: Sequence[str], seeds: int, jobs: int) -> list[Run]:
    """Those of every framework, each in a fresh process, in the order of the frameworks."""
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), max_tasks_per_child=1)
    with pool:
        return list(chain.from_iterable(pool.map(runs_of, frameworks, repeat(seeds))))


def runs_of(framework: str, seeds: int) -> list[Run]:
    """The checkpoint, then the new digits from it and from random weights, with each seed."""
    runs = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        source, recipe = tasks.known(), tasks.known_recipe()
        _train(framework, tasks.options(source, recipe, folder / "known", seed=0), source)
        checkpoint = folder / "known" / LAST[framework]
        for seed in range(seeds):
            source = tasks.new(seed)
            for start in tasks.STARTS:
                path = checkpoint if start == tasks.START else None
                place = folder / f"{start} {seed}"
                chosen = tasks.options(source, tasks.new_recipe(), place, seed, path)
                runs.append(Run(framework, start, seed, _train(framework, chosen, source)))
    return runs


def _train(framework: str, options: Options, source: Source) -> float:
    """Top-1 in percent after the last epoch."""
    trainer, joined, computing_in = _parts(framework)
    with computing_in(options.precision), joined(options.device) as processes:
        course = Course(options, source, trainer(options, processes))
        course.run()
    return course.top1


def _parts(
    framework: str,
) -> tuple[
    type[Trainer],
    Callable[[str | None], AbstractContextManager[Any]],
    Callable[[str], AbstractContextManager[Any]],
]:
    """What trains in a framework, imported in the process that does."""
    if framework == "torch":
        import torch

        from odconv_torch.train import Trainer as TorchTrainer
        from odconv_torch.train.joining import joined as torch_joined

        torch.set_num_threads(1)
        return TorchTrainer, torch_joined, _as_it_is
    if framework == "paddle":
        from odconv_paddle.train import Trainer as PaddleTrainer
        from odconv_paddle.train.joining import joined as paddle_joined
        from odconv_paddle.train.precision import computing_in as paddle_precision

        return PaddleTrainer, paddle_joined, paddle_precision
    from odconv_keras.train import Trainer as KerasTrainer
    from odconv_keras.train.joining import joined as keras_joined
    from odconv_keras.train.precision import computing_in as keras_precision

    return KerasTrainer, keras_joined, keras_precision


def _as_it_is(precision: str) -> AbstractContextManager[None]:
    return nullcontext()
