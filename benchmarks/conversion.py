"""`python -m benchmarks.conversion [MODEL [KERNEL_NUM]]`: conversions beside load and save.

A checkpoint as training scripts save it (`.pth.tar`) goes to each format. The time stands beside
that of `torch.load` and `torch.save` of the same file, in turns and in processes of their own, as
the converter runs where no framework is. The memory is the peak of a process, less that of an
interpreter that has imported the converter, beside twice the largest array and 64 MiB. That bound
is the converter's promise.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

RUNS = 5
ENDINGS = (".pth", ".safetensors", ".npz", ".pdparams", ".weights.h5")
MIB = 1 << 20
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
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


_LOAD_AND_SAVE = """
import sys, torch
def run(line):
    torch.save(torch.load(sys.argv[1], weights_only=True), sys.argv[2])
"""
_CONVERT = """
import sys
from weights_converter import convert
def run(line):
    convert(sys.argv[1], sys.argv[2], overwrite=True, proof=line == "proof")
"""
_SERVE = """
import time
for line in sys.stdin:
    start = time.perf_counter()
    run(line.strip())
    print(time.perf_counter() - start, flush=True)
"""


def main(model: str = "od_resnet50", kernel_num: str = "4") -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "model_best.pth.tar"
        largest = _save(source, model, int(kernel_num))
        bound = 2 * largest / MIB + 64
        _say(f"{model}, kernel_num={kernel_num}: {source.stat().st_size / 1e6:.0f} MB, ")
        _say(f"the largest array {largest / MIB:.1f} MiB\n\n")
        _say("| to | load + save, s | converted, s | times | proven, s | times ")
        _say(f"| peak, MiB (bound {bound:.0f}) |\n|---|---|---|---|---|---|---|\n")
        for ending in ENDINGS:
            cells = [*_times(source, folder / f"x{ending}"), peak(source, folder / f"x{ending}")]
            _say(f"| {ending} | " + " | ".join(f"{cell:.2f}" for cell in cells) + " |\n")
    return 0


def peak(source: Path, destination: Path) -> float:
    """MiB that a conversion takes beyond the interpreter and its imports."""
    run = subprocess.run(
        [sys.executable, "-c", _PEAK, str(source), str(destination)],
        env=os.environ | _ONE_THREAD,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return int(run.stdout) / MIB


def _save(path: Path, model: str, kernel_num: int) -> int:
    """Writes the checkpoint as a training script does; bytes of its largest array."""
    import torch

    from odconv_torch import create_model

    state = create_model(model, kernel_num=kernel_num).state_dict()
    wrapped = {f"module.{name}": array for name, array in state.items()}
    torch.save({"epoch": 100, "arch": model, "state_dict": wrapped}, path)
    return max(array.nbytes for array in state.values())


def _times(source: Path, destination: Path) -> tuple[float, ...]:
    """Medians of neighbouring runs: load and save, converting, its ratio, proven, its ratio."""
    copy = destination.with_name("copy.pth")
    with (
        _worker(_LOAD_AND_SAVE, source, copy) as base,
        _worker(_CONVERT, source, destination) as us,
    ):
        turns = ((base, "", copy), (us, "", destination), (us, "proof", destination))
        rows = [tuple(_seconds(*turn) for turn in turns) for _ in range(RUNS + 1)]
        for worker in (base, us):
            worker.communicate()
    first, plain, proof = zip(*rows[1:], strict=True)  # the first run fills the caches
    ratios = [median(a / b for a, b in zip(times, first, strict=True)) for times in (plain, proof)]
    return median(first), median(plain), ratios[0], median(proof), ratios[1]


def _worker(program: str, source: Path, destination: Path) -> subprocess.Popen[str]:
    """A process that runs the program for each line that it is sent, and answers with the time."""
    command = [sys.executable, "-c", program + _SERVE, str(source), str(destination)]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, env=os.environ | _ONE_THREAD, stdin=pipe, stdout=pipe, text=True, bufsize=1
    )


def _seconds(worker: subprocess.Popen[str], line: str, written: Path) -> float:
    written.unlink(missing_ok=True)  # torch.save would write into the memory of the old file
    os.sync()  # what an earlier run has still to write is not this one's
    worker.stdin.write(f"{line}\n")  # type: ignore[union-attr]
    return float(worker.stdout.readline())  # type: ignore[union-attr]


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
