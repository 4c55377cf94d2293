"""Peak memory of one variant of a case: `python -m benchmarks.memory RUNTIME CASE VARIANT ...`.

In a process of its own, because memory that a variant has freed would serve the next. It is the
peak of resident memory during the first run, above what is resident after set-up: the framework,
the model, and the input are there before; gradients, momenta and what backward keeps are not.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
from pathlib import Path

from benchmarks.conditions import Conditions
from benchmarks.contest import contestant
from benchmarks.frameworks.base import Run
from benchmarks.selection import Selection
from benchmarks.worker import load

MIB = 1 << 20
_STATUS = Path("/proc/self/status")
_FORGET_PEAK = Path("/proc/self/clear_refs"), "5"  # man 5 proc_pid_clear_refs


def main(runtime: str, case_id: str, variant: str, strategy: str) -> None:
    (case,) = Selection(long=True, patterns=(case_id,)).cases(runtime)
    run = contestant(load(runtime), case, variant, Conditions(strategy))
    sys.stdout.write(json.dumps({"peak": peak(run)}) + "\n")


def peak(run: Run) -> float:
    """MiB that become resident while `run` runs, at most."""
    gc.collect()
    _forget_peak()
    before = _bytes("VmRSS")
    run()
    return (_bytes("VmHWM") - before) / MIB


def _forget_peak() -> None:
    """Set-up may have had a higher peak, such as that of a compiler."""
    path, word = _FORGET_PEAK
    if path.exists():
        path.write_text(word)


def _bytes(entry: str) -> int:
    if _STATUS.exists():
        lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
        return int(lines[entry].split()[0]) << 10
    # Elsewhere there is only the peak of the whole process: kilobytes, on macOS bytes.
    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found if sys.platform == "darwin" else found << 10


if __name__ == "__main__":
    main(*sys.argv[1:])
