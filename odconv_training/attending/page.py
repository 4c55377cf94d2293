"""The attentions of a checkpoint as one HTML page that needs nothing but itself."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np

from odconv_training.attending.attended import AttendedImages
from odconv_training.attending.figures import STYLE, columns, profile, shaded, taps
from odconv_training.attending.measures import CONSTANT, KINDS, LayerAttentions, by_class
from odconv_training.evaluation import data_of_the_user
from weights_converter.conversion.html_markup import Markup, element, joined
from weights_converter.conversion.html_page import page, section, table
from weights_converter.conversion.html_plots import bars
from weights_converter.errors import UsageError, legible
from weights_converter.formats.files.atomic import replacing
from weights_converter.formats.files.part import check_destination

SUFFIXES = (".html", ".htm")
_MOST_IMAGES = 6  # that are drawn
_MOST_CLASSES = 12  # columns of the table
_NOTHING = element("div")
_LEAST_RANGE = 0.1  # of an axis: what hardly varies is to look like that


def check_page(path: Path, overwrite: bool) -> None:
    """Raises an error where the page cannot be written, before any work is done."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{legible(path.name)}: expected a page's name in {' or '.join(SUFFIXES)}")
    check_destination(path, overwrite)


def write_page(found: AttendedImages, path: Path, overwrite: bool) -> None:
    """Writes the page; see `check_page`."""
    with data_of_the_user():  # a picture may prove to be damaged only now
        text = html_page(found)
    with replacing(path, overwrite) as part:
        part.write_text(text, "utf-8")


def html_page(found: AttendedImages) -> str:
    """The page as text."""
    shown = range(min(_MOST_IMAGES, len(found.answers)))
    sections = (
        _summary(found),
        section("How much each attention varies over the images", *_spreads(found)),
        section("Entropy of the kernel attention by depth", *_entropies(found)),
        *_entropies_by_class(found),
        section("What each layer does to some images", _shots(found, shown), *_looks(found, shown)),
    )
    title = f"Attentions of {found.checkpoint}"
    return page(title, *sections, style=STYLE + _pictures(found, shown))


def _summary(found: AttendedImages) -> Markup:
    static, layers = len(found.static), len(found.layers)
    verdict = (
        f"Dynamic layers that do the same to every image, as static ones do: {static} of {layers}."
        if static
        else "Every dynamic layer depends on the image."
    )
    facts = [
        ("Model", found.model),
        ("Run in", found.framework),
        ("Images", f"{len(found.answers)} of {found.images}"),
        ("Classes", ", ".join(map(legible, found.chosen.classes[:_MOST_CLASSES])) or "not known"),
    ]
    level = "fair" if static else "good"
    return joined(element("p", verdict, class_=f"verdict {level}"), table((), facts))


def _spreads(found: AttendedImages) -> tuple[Markup, ...]:
    text = (
        "The standard deviation over the images, divided by the mean. A layer none of whose "
        f"attentions reaches {CONSTANT:g} does the same to every image: it is a static layer."
    )
    kinds = [kind for kind in KINDS if any(kind in layer.values for layer in found.layers)]
    rows = []
    for layer in found.layers:
        spreads = layer.spreads
        remark = "static" if layer.is_static else ""
        rows.append((layer.path, [spreads.get(kind) for kind in kinds], remark))
    header = ("layer", *kinds, *([""] if found.static else []))  # for the remark
    return element("p", text), shaded(header, rows)


def _entropies(found: AttendedImages) -> tuple[Markup, ...]:
    means = [
        (layer.path, float(entropies.mean()))
        for layer in found.layers
        if (entropies := layer.entropies) is not None
    ]
    if not means:
        return (element("p", "Every layer has one kernel, so that none is chosen."),)
    text = (
        "1: all kernels count alike. 0: the layer takes one kernel alone, though not the same for "
        "every image. Mean over the images, from the first layer to the last."
    )
    return element("p", text), bars([(p, mean, f"{mean:.3f}") for p, mean in means], longest=1)


def _entropies_by_class(found: AttendedImages) -> tuple[Markup, ...]:
    labels, classes = found.chosen.samples.labels, found.chosen.classes
    seen = [label for label in range(len(classes)) if np.any(labels == label)][:_MOST_CLASSES]
    rows = []
    for layer in found.layers:
        entropies = layer.entropies
        if entropies is not None:
            means = dict(by_class(entropies, labels, classes))
            rows.append((layer.path, [means[classes[label]] for label in seen], ""))
    if not rows or not seen:
        return ()
    header = ("layer", *(legible(classes[label]) for label in seen))
    more = f"The first {len(seen)} classes. " if len(seen) < len(classes) else ""
    text = f"{more}The stronger the shade, the more kernels take part."
    title = "Entropy of the kernel attention by class"
    return (section(title, element("p", text), shaded(header, rows)),)


def _shots(found: AttendedImages, shown: Sequence[int]) -> Markup:
    labels, classes = found.chosen.samples.labels, found.chosen.classes
    parts = []
    for index in shown:
        truth = f"{legible(classes[labels[index]])}, " if classes else ""
        text = f"{legible(found.chosen.names[index])}: {truth}taken for {found.answers[index]}"
        parts.append(element("div", _shot(index), element("span", text)))
    return element("div", *parts, class_="shots")


def _looks(found: AttendedImages, shown: Sequence[int]) -> list[Markup]:
    """A folded part for each layer, of which the first is open."""
    text = (
        "Kernels from 0 to 1, a column for each. Taps, channels and filters between the smallest "
        "and the largest value of the layer, which stand above them; neighbours are averaged "
        "where there are many."
    )
    parts = [element("p", text)]
    for layer in found.layers:
        spread = ", ".join(f"{kind} {value:.2f}" for kind, value in layer.spreads.items())
        static = " — static" if layer.is_static else ""
        summary = element("summary", f"{layer.path} ({spread}){static}")
        unfolded = {"open": ""} if layer is found.layers[0] else {}
        parts.append(element("details", summary, _look(layer, shown), **unfolded))
    return parts


def _look(layer: LayerAttentions, shown: Sequence[int]) -> Markup:
    spans = {kind: _span(layer, kind, shown) for kind in KINDS if kind in layer.values}
    heads = [Markup(element("div", "image", class_="head"))]
    for kind in KINDS:
        low, high = spans.get(kind, (0.0, 0.0))
        span = f"{kind} {low:.2f} to {high:.2f}" if kind in spans and kind != "kernel" else kind
        heads.append(element("div", span if kind in spans else "", class_="head"))
    cells = []
    for index in shown:
        cells.append(_shot(index))
        for kind in KINDS:
            cells.append(_drawn(layer, kind, index, *spans[kind]) if kind in spans else _NOTHING)
    return element("div", *heads, *cells, class_="looks")


def _drawn(layer: LayerAttentions, kind: str, index: int, low: float, high: float) -> Markup:
    values = layer.values[kind][index]
    if kind == "kernel":
        return columns(values)
    if kind == "spatial":
        return taps(values, layer.columns, low, high)
    return profile(values, low, high)


def _span(layer: LayerAttentions, kind: str, shown: Sequence[int]) -> tuple[float, float]:
    values = layer.values[kind][list(shown)]
    low, high = float(values.min()), float(values.max())
    more = max(_LEAST_RANGE - (high - low), 0) / 2
    return low - more, high + more


def _shot(index: int) -> Markup:
    return element("div", class_=f"shot shot{index}")


def _pictures(found: AttendedImages, shown: Sequence[int]) -> str:
    """Rules of CSS, so that each picture is in the page once."""
    rules = []
    for index in shown:
        file = BytesIO()
        found.chosen.picture(index).save(file, "PNG")
        data = b64encode(file.getvalue()).decode("ascii")
        rules.append(f".shot{index} {{ background-image: url(data:image/png;base64,{data}); }}")
    return "\n".join(rules)
