"""Exported networks in their runtimes, beside the static network that was exported the same way.

    python -m benchmarks.exported [--networks NAME:KERNELS ...] [--targets NAME ...]
        [--batches N ...] [--forms NAME ...] [--bounds] [--folder FOLDER]
        [--rounds N]

Prints a table: milliseconds of the static network, and what ours takes as a multiple of that, for
each form at batch 1 and 8, `single` and `folded` in files of that batch alone; so is the static one
where no other form stands beside it. All files of a row run in one process, in turn; times are
medians. The row `torch` has the same networks eager, with their forms chosen by torch's own rule.
With `--bounds` two graphs stand beside them that compute less than any form can; what both take
beyond the static network is the least that ours takes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import torch

from benchmarks.exported_bounds import ATTENDED, BOUNDS, READ, write
from benchmarks.machine import machine
from benchmarks.parsers import exported_parser
from odconv.exporting.export import export
from odconv.exporting.job import Job
from odconv.exporting.targets import FORMS, OF_A_FIXED_BATCH, PORTABLE, target_of
from odconv.runtimes import open_exported
from odconv_spec import BackboneSpec, from_json, model_spec, to_json
from odconv_torch.models.factory import build_model
from parity_tests.reference import random_arrays
from weights_converter import Request

SUFFIXES: Final[Mapping[str, str]] = {"onnx": ".onnx", "openvino": ".xml"}
STATIC: Final = "static"
OURS: Final = "ours"
BOUND: Final = "bound"
COLUMNS: Final = (*FORMS, "auto", *BOUNDS, BOUND)
SIZE, SEED = 224, 5
_PAUSE, _WARM_UP = 0.05, 2  # seconds, runs

Run = Callable[[np.ndarray], object]


def main(arguments: list[str]) -> int:
    options = exported_parser().parse_args(arguments)
    _say(", ".join(f"{key}: {value}" for key, value in machine().items()) + "\n")
    heads = ("network", "runtime", "batch", "static, ms", *COLUMNS)
    _say(f"| {' | '.join(heads)} |\n{'| --- ' * len(heads)}|")
    for word in options.networks:
        name, _, kernels = word.partition(":")
        ours = model_spec(name, kernel_num=int(kernels or 4))
        static = model_spec(name.partition("_")[2])
        specs = {STATIC: static, OURS: ours}
        with TemporaryDirectory() as own:
            folder = Path(options.folder or own)
            kept = {
                n: saved(spec, folder / word.replace(":", "-") / n) for n, spec in specs.items()
            }
            for target, batch in product(options.targets, options.batches):
                wanted = (*options.forms, *(BOUNDS if options.bounds else ()))
                runs = dict(_runs(kept, target, batch, wanted))
                _say(_row((word, target, str(batch)), medians(runs, batch, options.rounds)))
    return 0


def _row(labels: Sequence[str], times: Mapping[str, float]) -> str:
    static = times[STATIC]
    cells = {name: f"{seconds / static:.2f}" for name, seconds in times.items()}
    if READ in times:
        cells[BOUND] = f"{(times[READ] + times[ATTENDED]) / static:.2f}"
    found = (cells.get(name, "-") for name in COLUMNS)
    return f"| {' | '.join((*labels, f'{1000 * static:.1f}', *found))} |"


def _runs(
    kept: Mapping[str, Path], target: str, batch: int, wanted: Sequence[str]
) -> Iterator[tuple[str, Run]]:
    if target == "torch":
        yield STATIC, eager(kept[STATIC])
        yield "auto", eager(kept[OURS])
        return
    fixed = set(wanted) <= {*OF_A_FIXED_BATCH, *BOUNDS}
    yield STATIC, played(kept[STATIC], target, PORTABLE, batch if fixed else None)
    for name in wanted:
        if name in BOUNDS:
            yield name, bound(kept[OURS], target, name, batch)
            continue
        known = batch if name in OF_A_FIXED_BATCH else None
        yield name, played(kept[OURS], target, name, known)


def saved(spec: BackboneSpec, folder: Path) -> Path:
    """A checkpoint with random arrays, and its spec beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = random_arrays(spec.parameters(), SEED, np.float32)
    torch.save({name: torch.from_numpy(a) for name, a in arrays.items()}, folder / "a.pth")
    (folder / "spec.json").write_text(to_json(spec), encoding="utf-8")
    return folder


def played(folder: Path, target: str, form: str, batch: int | None) -> Run:
    """A file for this batch, or for any."""
    path = folder / f"{form}-{batch}{SUFFIXES[target]}"
    if not path.exists():
        request = Request(folder / "a.pth", folder / "spec.json")
        export(request, path, form=form, batch=batch, size=SIZE, tolerance=1.0)
    return open_exported(path, None).run


def bound(folder: Path, target: str, name: str, batch: int) -> Run:
    """A graph of `benchmarks.exported_bounds` for this batch."""
    path = folder / f"{name.replace(' ', '-')}-{batch}{SUFFIXES[target]}"
    if not path.exists():
        row = target_of(path)
        form, _ = row.default_form(integers=False, batch=batch)
        write(name, opened(folder), path, row, Job(form, batch=batch, size=(SIZE, SIZE)))
    return open_exported(path, None).run


def opened(folder: Path) -> torch.nn.Module:
    """The network that was saved there, in inference mode."""
    spec: Any = from_json((folder / "spec.json").read_text(encoding="utf-8"))
    model = build_model(spec)
    model.load_state_dict(torch.load(folder / "a.pth"), strict=False)
    return model.eval()


def eager(folder: Path) -> Run:
    model = opened(folder)

    def run(images: np.ndarray) -> object:
        with torch.inference_mode():
            return model(torch.from_numpy(images))

    return run


def medians(runs: Mapping[str, Run], batch: int, rounds: int) -> dict[str, float]:
    """The median seconds of each, in turn.

    Threads of a runtime wait busily for some time after a run, and would take a core from the next
    runtime. So each waits before its turn, and runs untimed first.
    """
    images = np.random.default_rng(SEED).standard_normal((batch, 3, SIZE, SIZE), np.float32)
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for name, run in (turn for _ in range(rounds) for turn in runs.items()):
        time.sleep(_PAUSE)
        for _ in range(_WARM_UP):
            run(images)
        start = time.perf_counter()
        run(images)
        taken[name].append(time.perf_counter() - start)
    return {name: median(seconds) for name, seconds in taken.items()}


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
