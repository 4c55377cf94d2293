"""The runs as a table, as JSON and as a picture."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from matplotlib.figure import Figure

from benchmarks.accuracy.runs import Run
from benchmarks.accuracy.settings import NONE

_COLOURS = {"zero": "tab:blue", "published": "tab:orange", NONE: "tab:gray"}

Key = tuple[str, str, str]


def write(runs: Sequence[Run], folder: Path) -> None:
    """Writes results.md, results.json and accuracy.png."""
    (folder / "results.md").write_text(f"{table(runs)}\n", encoding="utf-8")
    values = [asdict(run) for run in runs]
    (folder / "results.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    plot(runs).savefig(folder / "accuracy.png", dpi=80)


def table(runs: Sequence[Run]) -> str:
    """A row for each setting: mean, deviation and the worst seed at each width, in percent."""
    widths = sorted({run.width for run in runs}, reverse=True)
    head = ["network", "heads start", "annealed"]
    for width in widths:
        head += [f"x{width:g}: parameters", f"x{width:g}: top-1", "worst seed"]
    rows = [head, ["---"] * len(head)]
    rows += [_row(key, runs, widths) for key in _keys(runs)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def plot(runs: Sequence[Run]) -> Figure:
    """A dot for each run, a line at each mean; a panel for each width."""
    widths = sorted({run.width for run in runs}, reverse=True)
    keys = list(_keys(runs))
    figure = Figure(figsize=(5 * len(widths) + 2, 1.2 + 0.3 * len(keys)), layout="constrained")
    axes = figure.subplots(1, len(widths), sharey=True, squeeze=False)[0]
    for axis, width in zip(axes, widths, strict=True):
        for place, key in enumerate(keys):
            _dots(axis, place, key[1], _top1(runs, key, width))
        axis.set_title(f"width x{width:g}")
        axis.set_xlabel("test digits recognised, %")
        axis.grid(axis="x", linewidth=0.3)
    axes[0].set_yticks(range(len(keys)), map(_label, keys))
    axes[0].set_ylim(len(keys) - 0.5, -0.5)
    return figure


def _dots(axis: Any, place: int, heads: str, top1: list[float]) -> None:
    if top1:
        axis.scatter(top1, [place] * len(top1), s=22, color=_COLOURS[heads], alpha=0.6)
        axis.plot([mean(top1)] * 2, [place - 0.35, place + 0.35], color=_COLOURS[heads])


def _row(key: Key, runs: Sequence[Run], widths: Sequence[float]) -> list[str]:
    cells = list(key)
    for width in widths:
        top1 = _top1(runs, key, width)
        counts = [run.parameters for run in _of(runs, key, width)]
        cells += [f"{counts[0]:,}" if counts else "", _spread(top1)]
        cells.append(f"{min(top1):.1f}" if top1 else "")
    return cells


def _spread(values: list[float]) -> str:
    if not values:
        return ""
    deviation = stdev(values) if len(values) > 1 else 0.0
    return f"{mean(values):.1f} ± {deviation:.1f}"


def _label(key: Key) -> str:
    network, heads, annealed = key
    if heads == NONE:
        return network
    return f"{network}, {heads}" + {"yes": ", annealed", "no": ", T = 1"}.get(annealed, "")


def _keys(runs: Sequence[Run]) -> Iterator[Key]:
    """The settings but for their widths, in the order of the runs of the first seed."""
    yield from dict.fromkeys((run.network, run.heads, run.annealed) for run in runs)


def _of(runs: Sequence[Run], key: Key, width: float) -> list[Run]:
    return [r for r in runs if (r.network, r.heads, r.annealed, r.width) == (*key, width)]


def _top1(runs: Sequence[Run], key: Key, width: float) -> list[float]:
    return [run.top1 for run in _of(runs, key, width)]
