"""The report of a conversion as one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Sequence

from weights_converter.arrays.sizes import size_text
from weights_converter.conversion.html_markup import Markup, element, joined
from weights_converter.conversion.html_page import page, section, table
from weights_converter.conversion.html_plots import bars, histogram, ranges
from weights_converter.conversion.report import Carried, Remark, Report
from weights_converter.identify.backbones import describe

_MOST_ROWS = 60  # of a plot
_MOST_HISTOGRAMS = 12


def html_report(report: Report) -> str:
    """The page as text."""
    title = f"{report.source.name} → {report.destination.name}"
    sections = (
        _summary(report),
        section("Size of each layer", bars(_sizes(report))),
        section("Range of values", ranges(_ranges(report)), _note_on_ranges(report)),
        section("Distribution in the largest arrays", _histograms(report)),
        _casts(report),
        _remarks("Dropped", report.dropped, "Every array of the source was carried over."),
        _remarks("Given a default", report.defaulted, "No array had to be made up."),
        section("All arrays", element("details", element("summary", "show"), _arrays(report))),
    )
    return page(title, *sections)


def _summary(report: Report) -> Markup:
    told = report.provenance
    facts = [
        ("Model", describe(report.spec)),
        ("Arrays", f"{report.arrays}, {size_text(report.nbytes)}"),
        ("Read", f"{told.source} ({told.source_format})"),
        ("SHA-256 of it", told.source_sha256 or "of a folder there is none"),
        ("Written", f"{', '.join(f.name for f in report.files) or 'nothing'} ({report.format})"),
        ("Floats", told.dtype),
        ("Temperature", f"{report.temperature:g}"),
        ("Tool", told.tool),
        *([("Created", told.created)] if told.created else []),
        *(("Note", note) for note in report.notes),
    ]
    verdict = element("p", _sentence(report.verdict), class_=f"verdict {report.level}")
    return joined(verdict, table((), facts))


def _sizes(report: Report) -> list[tuple[str, float, str]]:
    """Bytes of each layer or block, in the model's order."""
    sizes: dict[str, int] = {}
    for depth in (3, 2, 1):  # as fine as has room
        sizes = {}
        for array in report.carried:
            owner = ".".join(array.finding.name.split(".")[:-1][:depth]) or "(the layer itself)"
            sizes[owner] = sizes.get(owner, 0) + array.nbytes
        if len(sizes) <= _MOST_ROWS:
            break
    shown = list(sizes.items())[:_MOST_ROWS]
    return [(name, nbytes, size_text(nbytes)) for name, nbytes in shown]


def _ranges(report: Report) -> list[tuple[str, float, float]]:
    """Of the arrays with the widest ranges, in the model's order."""
    found = [
        (array.finding.name, values.minimum, values.maximum)
        for array in report.carried
        if (values := array.finding.values).minimum is not None and values.maximum is not None
    ]
    widest = sorted(found, key=lambda row: -max(abs(row[1]), abs(row[2])))[:_MOST_ROWS]
    kept = {name for name, _, _ in widest}
    return [row for row in found if row[0] in kept]


def _note_on_ranges(report: Report) -> Markup:
    wrong = [f"{a.finding.name} has {a.finding.values}" for a in report.nonfinite()]
    more = f"The {_MOST_ROWS} arrays of the largest values." if report.arrays > _MOST_ROWS else ""
    return joined(*(element("p", line) for line in (more, *wrong) if line))


def _histograms(report: Report) -> Markup:
    largest = sorted(
        (array for array in report.carried if array.finding.histogram),
        key=lambda array: -array.nbytes,
    )[:_MOST_HISTOGRAMS]
    rows = [(a.finding.name, _span(a), histogram(a.finding.histogram)) for a in largest]
    return table(("array", "from the smallest to the largest", "how many values"), rows)


def _casts(report: Report) -> Markup:
    lines = [element("p", line) for line in report.cast_lines()]
    lost = [a for a in report.carried if a.finding.loss.overflowed or a.finding.loss.flushed]
    rows = [
        (a.finding.name, loss.overflowed, loss.flushed, f"{loss.relative_error:.3g}")
        for a in lost
        for loss in [a.finding.loss]
    ]
    header = ("array", "became infinite", "became zero", "largest relative error")
    lost_table = table(header, rows) if rows else Markup()
    return section("Cast", *(lines or [element("p", "Every dtype was kept.")]), lost_table)


def _remarks(title: str, remarks: Sequence[Remark], nothing: str) -> Markup:
    if not remarks:
        return section(title, element("p", nothing))
    named = table(("array", "what it is"), [(r.name, r.reason) for r in remarks])
    return section(title, element("details", element("summary", f"{len(remarks)} arrays"), named))


def _arrays(report: Report) -> Markup:
    header = ("array", "in the destination", "shape there", "dtype", "range", "SHA-256")
    return table(header, [_row(array) for array in report.carried])


def _row(array: Carried) -> tuple[str, ...]:
    found = array.finding
    dtype = found.after if found.before == found.after else f"{found.before} → {found.after}"
    digest = element("code", f"{found.sha256[:16]}…" if found.sha256 else "")
    shape = " x ".join(map(str, array.stored_shape)) or "one number"
    return found.name, array.stored_name, shape, dtype, _span(array), digest


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _span(array: Carried) -> str:
    low, high = array.finding.values.minimum, array.finding.values.maximum
    return "no finite value" if low is None else f"{low:.4g} … {high:.4g}"
