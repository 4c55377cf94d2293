"""Pictures of the records: ratios of the cases, and time against batch and number of kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.cases import (
    COMPILED,
    OFFICIAL,
    OFFICIAL_STATIC,
    OURS,
    OURS_LAST,
    PUBLISHED,
    SCALING,
    STATIC,
    STATIC_LAST,
)
from benchmarks.records import Record

_COLOURS = {
    STATIC: "tab:gray",
    PUBLISHED: "tab:orange",
    OURS: "tab:blue",
    COMPILED: "tab:green",
    OURS_LAST: "tab:cyan",
    STATIC_LAST: "tab:olive",
    OFFICIAL: "tab:red",
    OFFICIAL_STATIC: "tab:pink",
}
_STYLES = {STATIC: ":", PUBLISHED: "--", OURS: "-"}
_KERNELS, _BATCH = 4, 8  # what is held while the other changes


def plot(records: Sequence[Record], folder: Path) -> list[Path]:
    """Writes a PNG for each group of each runtime, such as "layers-torch.png"."""
    written = []
    for name, found in _by(records, lambda record: f"{record.group}-{record.runtime}"):
        figure = _scaling(found) if found[0].group == SCALING else _ratios(found)
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=120, bbox_inches="tight")
        written.append(path)
    return written


def _ratios(records: Sequence[Record]) -> Figure:
    """The variants over their base, a panel for each mode."""
    panels = list(_by(records, lambda record: record.mode))
    tallest = max(len(found) for _, found in panels)
    figure = Figure(figsize=(6.5 * len(panels), 1.2 + 0.22 * tallest), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, sharex=True)[0]
    for axis, (mode, found) in zip(axes, panels, strict=True):
        for variant in (name for name in _COLOURS if name != found[0].base):
            _points(axis, found, variant)
        axis.axvline(1, color=_COLOURS[STATIC], linewidth=1)
        axis.set_yticks(range(len(found)), map(_label, found), fontsize=7)
        axis.set_ylim(len(found) - 0.5, -0.5)
        axis.grid(axis="x", linewidth=0.3)
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter("{x:g}")
        kind = "time" if found[0].unit == "ms" else "memory"
        axis.set_xlabel(f"{kind}, times {found[0].base}")
        axis.set_title(f"{found[0].runtime}, {mode}")
        axis.legend(fontsize=7)
    return figure


def _points(axis: Any, records: Sequence[Record], variant: str) -> None:
    """Medians, with the quartiles as whiskers; a case without the variant has none."""
    found = [(place, record.ratio(variant, record.base)) for place, record in enumerate(records)]
    shown = [(place, spread) for place, spread in found if spread is not None]
    if shown:
        axis.errorbar(
            [spread.median for _, spread in shown],
            [place for place, _ in shown],
            xerr=(
                [spread.median - spread.low for _, spread in shown],
                [spread.high - spread.median for _, spread in shown],
            ),
            color=_COLOURS[variant],
            fmt="o",
            markersize=4,
            label=variant,
        )


def _scaling(records: Sequence[Record]) -> Figure:
    """A row for each mode; columns are what changes: the batch or the number of kernels."""
    rows = list(_by(records, lambda record: record.mode))
    figure = Figure(figsize=(12, 4.2 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), 2, squeeze=False)
    for (left, right), (mode, found) in zip(axes, rows, strict=True):
        title = f"{found[0].runtime}, {mode}"
        _curves(left, [r for r in found if r.kernel_num == _KERNELS], lambda record: record.batch)
        left.set(title=f"{title}, {_KERNELS} kernels", xlabel="batch", ylabel="ms per sample")
        _curves(
            right, [r for r in found if r.batch == _BATCH], lambda record: record.kernel_num or 1
        )
        right.set(title=f"{title}, batch {_BATCH}", xlabel="kernels", ylabel="ms per sample")
        right.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _curves(axis: Any, records: Sequence[Record], place: Callable[[Record], int]) -> None:
    """A curve for each layer and variant."""
    for index, (subject, found) in enumerate(_by(records, lambda record: record.subject)):
        found = sorted(found, key=place)
        for variant in found[0].figures:
            spreads = [(record, record.spread(variant)) for record in found]
            points = [(place(r), s.median / r.batch) for r, s in spreads if s is not None]
            options = {"color": f"C{index}", "linestyle": _STYLES[variant], "marker": "."}
            axis.plot(*zip(*points, strict=True), label=f"{subject}, {variant}", **options)
    places = sorted({place(record) for record in records})
    axis.set_xscale("log", base=2)
    axis.set_xticks(places, map(str, places))
    axis.set_yscale("log", base=2)
    axis.yaxis.set_major_formatter("{x:g}")
    axis.grid(linewidth=0.3)


def _label(record: Record) -> str:
    batch = f", batch {record.batch}" if record.batch else ""
    kernels = f" {record.kernel_num}x" if record.kernel_num else ""
    return f"{record.subject}, {record.kind}{kernels}{batch}"


def _by(
    records: Sequence[Record], key: Callable[[Record], str]
) -> Iterator[tuple[str, list[Record]]]:
    """The records of each value of the key, in the order in which the values first appear."""
    for value in dict.fromkeys(map(key, records)):
        yield value, [record for record in records if key(record) == value]
