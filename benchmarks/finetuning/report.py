"""The runs as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean, stdev

from benchmarks.finetuning.runs import Run
from benchmarks.finetuning.tasks import STARTS


def write(runs: Sequence[Run], folder: Path) -> None:
    """Writes results.md and results.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.md").write_text(f"{table(runs)}\n", encoding="utf-8")
    values = [asdict(run) for run in runs]
    (folder / "results.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def table(runs: Sequence[Run]) -> str:
    """A row for each framework: mean, deviation and worst seed of each start, in percent."""
    head = ["framework"]
    for start in STARTS:
        head += [f"from {start}: top-1", "worst seed"]
    rows = [head, ["---"] * len(head)]
    for framework in dict.fromkeys(run.framework for run in runs):
        row = [framework]
        for start in STARTS:
            top1 = [r.top1 for r in runs if (r.framework, r.start) == (framework, start)]
            deviation = stdev(top1) if len(top1) > 1 else 0.0
            row += [f"{mean(top1):.1f} ± {deviation:.1f}", f"{min(top1):.1f}"]
        rows.append(row)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
