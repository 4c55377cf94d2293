"""Conversions of a checkpoint as training scripts save it (`.pth.tar`): their time and memory.

The time is that of whole processes: `odconv convert`, which reads back what it has written, beside
a script that loads the checkpoint with torch and saves it. The memory is the peak of a process,
less that of an interpreter that has imported the converter.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from benchmarks.cases import LOAD_AND_SAVE, OURS, Case
from benchmarks.records import Record
from parity_tests.processes import WorkerError

MIB = 1 << 20
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_SAVE = """
import sys, torch
from odconv_torch import create_model
state = create_model(sys.argv[2], kernel_num=int(sys.argv[3])).state_dict()
wrapped = {f"module.{name}": array for name, array in state.items()}
torch.save({"epoch": 100, "arch": sys.argv[2], "state_dict": wrapped}, sys.argv[1])
"""
_LOAD_AND_SAVE = """
import sys, torch
torch.save(torch.load(sys.argv[1], weights_only=True), sys.argv[2])
"""
# Read where the kernel counts it; the resource module would tell of the parent's peak, too.
_PEAK = """
import sys
from pathlib import Path
from weights_converter import convert

def peak():
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").open())
    return int(status["VmHWM"].split()[0]) << 10

before = peak()
convert(*sys.argv[1:3], overwrite=True)
print(peak() - before)
"""


def converted(case: Case, runtime: str, rounds: int) -> Record:
    """The times of a case, in processes that alternate.

    Raises:
        WorkerError: with the process's own words.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "model_best.pth.tar"
        copy, target = folder / "copy.pth", folder / f"target{case.mode}"
        _run("-c", _SAVE, source, f"{case.kind}_{case.subject}", case.kernel_num)
        runs = {
            LOAD_AND_SAVE: partial(_milliseconds, copy, "-c", _LOAD_AND_SAVE, source, copy),
            OURS: partial(_milliseconds, target, "-m", "odconv", "convert", source, target),
        }
        figures: dict[str, list[float]] = {variant: [] for variant in runs}
        for index in range(rounds + 1):
            for variant in list(runs)[:: -1 if index % 2 else 1]:
                figures[variant].append(runs[variant]())
    return Record.of(
        case,
        runtime=runtime,
        unit="ms",
        figures={name: values[1:] for name, values in figures.items()},  # the first fill caches
        difference=None,
        strategy="auto",
    )


def peak(source: Path, destination: Path) -> float:
    """MiB that a conversion takes beyond the interpreter and its imports."""
    return int(_run("-c", _PEAK, source, destination)) / MIB


def _milliseconds(written: Path, *arguments: object) -> float:
    """The time of a process that writes a file, which is removed afterwards."""
    os.sync()  # what an earlier one has still to write is not this one's
    start = time.perf_counter()
    _run(*arguments)
    elapsed = time.perf_counter() - start
    for file in written.parent.glob(f"{written.name}*"):  # and its sidecar
        file.unlink()  # torch would write into the memory of the old file
    return 1e3 * elapsed


def _run(*arguments: object) -> str:
    """What an interpreter prints."""
    run = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=os.environ | _ONE_THREAD,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise WorkerError(f"stopped with exit code {run.returncode}:\n{run.stderr[-3000:]}")
    return run.stdout
