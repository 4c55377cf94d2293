"""Trains the settings, a process for each core, and keeps what they reached."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, fields
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

from benchmarks.accuracy.settings import Setting
from odconv_training import Options

TABLE = "runs.csv"
_TYPES: Mapping[str, Callable[[str], Any]] = MappingProxyType(
    {"str": str, "int": int, "float": float}
)


@dataclass(frozen=True)
class Run:
    """One training: percent of the test digits at its end and at its best epoch."""

    network: str
    heads: str
    annealed: str
    width: float
    seed: int
    epochs: int
    parameters: int
    top1: float
    best_top1: float
    loss: float
    seconds: float

    def is_of(self, setting: Setting, seed: int, epochs: int) -> bool:
        own = (self.network, self.heads, self.annealed, self.width, self.seed, self.epochs)
        other = (setting.network, setting.heads, setting.annealed, setting.width)
        return own == (*other, seed, epochs)


@dataclass(frozen=True)
class Job:
    """A setting, a seed and a number of epochs, still to be trained."""

    setting: Setting
    seed: int
    epochs: int

    def run(self) -> Run:
        """Trains as `python -m odconv_torch.train` does."""
        from odconv_torch.train import train  # in the process that trains, and there only

        start = time.perf_counter()
        spec, recipe = self.setting.spec(), self.setting.recipe(self.epochs)
        with TemporaryDirectory() as folder:
            train(
                Options(
                    spec,
                    "digits",
                    recipe,
                    Path(folder),
                    clip_norm=self.setting.clip_norm,
                    seed=self.seed,
                    quiet=True,
                )
            )
            scores = read_rows(Path(folder) / "validation.csv")
        last, top1 = scores[-1], [float(row["top1"]) for row in scores]
        setting = self.setting
        return Run(
            setting.network,
            setting.heads,
            setting.annealed,
            setting.width,
            self.seed,
            self.epochs,
            parameters=spec.trainable_count(),
            top1=top1[-1],
            best_top1=max(top1),
            loss=float(last["loss"]),
            seconds=time.perf_counter() - start,
        )


def train_all(jobs: Iterable[Job], workers: int, seconds: float) -> Iterator[Run]:
    """What the jobs gave, as they end; none is begun after so many seconds."""
    end = time.monotonic() + seconds
    left = iter(jobs)
    running: set[Future[Run]] = set()
    # A thread of PyTorch's own would disturb the run beside it; "spawn", as threads do not fork.
    with ProcessPoolExecutor(workers, get_context("spawn"), _one_thread) as pool:
        while True:
            while len(running) < workers and time.monotonic() < end:
                job = next(left, None)
                if job is None:
                    break
                running.add(pool.submit(job.run))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)


def read_runs(folder: Path) -> list[Run]:
    """The runs that `add_run` has kept."""
    types = {f.name: _TYPES[str(f.type)] for f in fields(Run)}
    rows = read_rows(folder / TABLE)
    return [Run(**{name: types[name](text) for name, text in row.items()}) for row in rows]


def add_run(folder: Path, run: Run) -> None:
    """Keeps a run at once, so that a study which was stopped goes on."""
    path = folder / TABLE
    fresh = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Run)], lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerow(asdict(run))


def missing(jobs: Iterable[Job], runs: Sequence[Run]) -> list[Job]:
    """The jobs that have no run yet."""
    return [
        job for job in jobs if not any(run.is_of(job.setting, job.seed, job.epochs) for run in runs)
    ]


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table, none where there is no file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
