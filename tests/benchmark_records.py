"""What a benchmark measured, made up."""

from __future__ import annotations

from benchmarks.cases import Case
from benchmarks.records import Record

OFFICIAL_FIGURES = {
    "official static": [2.0, 2.2, 2.1],
    "static": [2.4, 2.5, 2.6],
    "static channels_last": [1.0, 1.1, 1.2],
    "official": [8.0, 8.0, 8.0],
    "ours": [4.0, 4.4, 4.2],
    "ours channels_last": [2.0, 2.2, 2.4],
}


def record(group, subject, **changes):
    case = Case(group, subject, "od", 4, "training", 8)
    figures = {"static": [10.0, 20.0, 40.0], "published": [80.0, 80.0, 80.0], "ours": [20.0] * 3}
    measured = {"figures": figures, "unit": "ms", "difference": 0.0, "strategy": "auto"}
    return Record.of(case, runtime="torch", **measured | changes)
