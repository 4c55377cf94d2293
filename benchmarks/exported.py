"""Exported networks in their runtimes, beside the static network that was exported the same way.

    python -m benchmarks.exported [--networks NAME:KERNELS ...] [--targets NAME ...]
        [--batches N ...] [--rounds N]

Prints a table: milliseconds of the static network, and what ours takes as a multiple of that, for
each form at batch 1 and 8. All files of a row run in one process, in turn; times are medians. The
row `torch` has the same networks eager, with their forms chosen by torch's own rule.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import torch

from benchmarks.machine import machine
from benchmarks.parsers import exported_parser
from odconv.exporting.export import export
from odconv.exporting.targets import FORMS, OF_ONE_IMAGE, PORTABLE
from odconv.runtimes import open_exported
from odconv_spec import BackboneSpec, from_json, model_spec, to_json
from odconv_torch.models.factory import build_model
from parity_tests.reference import random_arrays
from weights_converter import Request

SUFFIXES: Final[Mapping[str, str]] = {"onnx": ".onnx", "openvino": ".xml"}
STATIC: Final = "static"
SIZE, SEED = 224, 5
_PAUSE, _WARM_UP = 0.05, 2  # seconds, runs

Run = Callable[[np.ndarray], object]


def main(arguments: list[str]) -> int:
    options = exported_parser().parse_args(arguments)
    _say(", ".join(f"{key}: {value}" for key, value in machine().items()) + "\n")
    _say("| network | runtime | batch | static, ms | " + " | ".join((*FORMS, "auto")) + " |")
    _say("| --- " * (5 + len(FORMS)) + "|")
    for word in options.networks:
        name, _, kernels = word.partition(":")
        ours = model_spec(name, kernel_num=int(kernels or 4))
        static = model_spec(name.partition("_")[2])
        for target in options.targets:
            for row in rows(word, static, ours, target, options.batches, options.rounds):
                _say(row)
    return 0


def rows(
    label: str,
    static: BackboneSpec,
    ours: BackboneSpec,
    target: str,
    batches: Sequence[int],
    rounds: int,
) -> Iterator[str]:
    """A row for each batch."""
    with TemporaryDirectory() as folder:
        checkpoints = {n: saved(spec, Path(folder) / n) for n, spec in (("s", static), ("o", ours))}
        for batch in batches:
            runs = dict(_runs(checkpoints, target, batch))
            times = medians(runs, batch, rounds)
            cells = [
                f"{times[form] / times[STATIC]:.2f}" if form in times else "-"
                for form in (*FORMS, "auto")
            ]
            yield (
                f"| {label} | {target} | {batch} | {1000 * times[STATIC]:.1f} | "
                + " | ".join(cells)
                + " |"
            )


def _runs(checkpoints: Mapping[str, Path], target: str, batch: int) -> Iterator[tuple[str, Run]]:
    if target == "torch":
        yield STATIC, eager(checkpoints["s"])
        yield "auto", eager(checkpoints["o"])
        return
    yield STATIC, played(checkpoints["s"], target, PORTABLE)
    for form in FORMS:
        if form not in OF_ONE_IMAGE or batch == 1:
            yield form, played(checkpoints["o"], target, form)


def saved(spec: BackboneSpec, folder: Path) -> Path:
    """A checkpoint with random arrays, and its spec beside it."""
    folder.mkdir()
    arrays = random_arrays(spec.parameters(), SEED, np.float32)
    torch.save({name: torch.from_numpy(a) for name, a in arrays.items()}, folder / "a.pth")
    (folder / "spec.json").write_text(to_json(spec), encoding="utf-8")
    return folder


def played(folder: Path, target: str, form: str) -> Run:
    path = folder / f"{form}{SUFFIXES[target]}"
    if not path.exists():
        request = Request(folder / "a.pth", folder / "spec.json")
        export(request, path, form=form, size=SIZE, tolerance=1.0)
    return open_exported(path, None).run


def eager(folder: Path) -> Run:
    spec: Any = from_json((folder / "spec.json").read_text(encoding="utf-8"))
    model = build_model(spec)
    model.load_state_dict(torch.load(folder / "a.pth"), strict=False)
    model.eval()

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
