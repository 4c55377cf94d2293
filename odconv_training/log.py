"""What a training has measured: CSV files, TensorBoard, and a bar on a terminal."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from tqdm import tqdm

from odconv_training.options import Options
from odconv_training.scores import MEASURES, Measured
from weights_converter.formats.files.atomic import replacing

TRAIN = ("step", "epoch", "learning_rate", "temperature", "loss", "images_per_second")
TABLES = ("train.csv", "validation.csv")


class Log:
    """The logs of a run in its output folder; of several processes only the first has one.

    train.csv has a row for each step, counted from 0; validation.csv one for each epoch, with the
    number of steps before it. What an interrupted run has logged after the checkpoint that it
    is resumed from is dropped.

    Example:
        >>> from odconv_training import parse
        >>> options = parse(["--output", "logged", "--quiet"], "torch")
        >>> with Log(options, start_step=0, total=1) as log:
        ...     log.train(0, 0, learning_rate=0.1, temperature=30.0, loss=2.3, images=64)
        >>> print(*sorted(path.name for path in options.output.iterdir()))
        tensorboard train.csv validation.csv
    """

    def __init__(
        self,
        options: Options,
        start_step: int,
        total: int | None = None,
        measures: tuple[str, ...] = MEASURES,
    ) -> None:
        """Begins or continues the files.

        Args:
            options: of the command.
            start_step: the first step to come.
            total: steps in all, for the bar.
            measures: what the scores are called.
        """
        self._measures = measures
        folder = options.output
        folder.mkdir(parents=True, exist_ok=True)
        self._train = _Table(folder / TABLES[0], TRAIN, lambda step: step < start_step)
        self._validation = _Table(
            folder / TABLES[1], ("epoch", "step", *measures), lambda step: 0 < step <= start_step
        )
        self._events = _event_writer(folder / "tensorboard", start_step)
        self._quiet = options.quiet
        silent = True if options.quiet else None  # None: where there is no terminal
        self._bar = tqdm(initial=start_step, total=total, unit=" steps", disable=silent)
        self._clock = time.perf_counter()

    def train(
        self,
        step: int,
        epoch: int,
        learning_rate: float,
        temperature: float,
        loss: float,
        images: int,
    ) -> None:
        """One step over `images`, the global batch, that took the time since the last call."""
        speed = images / (time.perf_counter() - self._clock)
        values = (step, epoch, learning_rate, temperature, loss, speed)
        self._train.add(values)
        self._event("train", dict(zip(TRAIN[2:], values[2:], strict=True)), step)
        self._bar.update()
        self._bar.set_postfix(epoch=epoch, loss=f"{loss:.4f}", refresh=False)
        self._clock = time.perf_counter()

    def validation(self, epoch: int, step: int, score: Measured) -> None:
        """The score after an epoch and `step` steps."""
        values = score.row()
        self._validation.add((epoch, step, *values))
        self._event("validation", dict(zip(self._measures, values, strict=True)), step)
        if not self._quiet:
            self._bar.write(f"epoch {epoch}: {score}")
        self._clock = time.perf_counter()

    def close(self) -> None:
        """Closes the files of the run and its bar."""
        self._train.close()
        self._validation.close()
        self._bar.close()
        if self._events is not None:
            self._events.close()

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _event(self, group: str, values: Mapping[str, float], step: int) -> None:
        if self._events is not None:
            for name, value in values.items():
                self._events.add_scalar(f"{group}/{name}", value, step)


class _Table:
    """A CSV file whose rows are on the disk as soon as they are added."""

    def __init__(self, path: Path, columns: tuple[str, ...], keep: Callable[[int], bool]) -> None:
        rows = [row for row in _rows(path, columns) if keep(int(row[columns.index("step")]))]
        with (
            replacing(path, overwrite=True) as part,
            part.open("w", encoding="utf-8", newline="") as file,
        ):
            csv.writer(file, lineterminator="\n").writerows([columns, *rows])
        self._file: TextIO = path.open("a", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")

    def add(self, values: tuple[float, ...]) -> None:
        self._writer.writerow([repr(value) for value in values])  # repr: every digit of a float
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _rows(path: Path, columns: tuple[str, ...]) -> list[list[str]]:
    """The complete rows of an earlier run; one that was killed may have left half a row."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        complete = [line for line in file if line.endswith("\n")]
    return [row for row in csv.reader(complete[1:]) if len(row) == len(columns)]


def _event_writer(folder: Path, start_step: int) -> Any:
    """A writer of TensorBoard's events; None where tensorboardX is not installed."""
    try:
        from tensorboardX import SummaryWriter
    except ModuleNotFoundError:
        return None
    return SummaryWriter(str(folder), purge_step=start_step)
