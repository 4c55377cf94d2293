"""The report of a conversion: text, JSON and one page of HTML."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from hashlib import sha256

import numpy as np
import pytest

from odconv.main import main
from odconv_spec import model_spec
from tests.converter.helpers import SMALL_RESNET, arrays_of, save
from weights_converter import convert, formats
from weights_converter.arrays.tensor import Tensor
from weights_converter.conversion.html_markup import element, joined
from weights_converter.conversion.html_plots import bars, histogram, ranges
from weights_converter.conversion.html_report import html_report
from weights_converter.identify.request import Request

SPEC = model_spec("od_resnet18", kernel_num=2, **SMALL_RESNET)
HALF = {"allow_half_statistics": True}
NASTY = '<script>alert("&")</script>'


@pytest.fixture
def source(tmp_path):
    """A torch checkpoint with the counters that torch keeps."""
    arrays = arrays_of(SPEC)
    tensors = [Tensor.of(name, array) for name, array in arrays.items()]
    counters = [name for name in arrays if name.endswith("running_mean")]
    for name in counters:
        counter = name.replace("running_mean", "num_batches_tracked")
        tensors.append(Tensor.of(counter, np.array(7)))
    formats.write(tmp_path / "a.pth", "torch", tensors, {})
    return tmp_path / "a.pth"


def test_plain_values(source, tmp_path):
    report = convert(source, tmp_path / "b.weights.h5", dtype="float16", **HALF)
    told = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert list(told) == [
        "schema", "tool", "created", "source", "destination", "files", "verdict", "warnings",
        "model", "spec", "temperature", "dtype", "nbytes", "arrays", "dropped", "defaulted",
        "notes", "proof",
    ]  # fmt: skip
    assert told["schema"] == 1 and told["created"] is None
    assert told["source"] == {
        "name": "a.pth",
        "format": "torch",
        "sha256": sha256(source.read_bytes()).hexdigest(),
    }
    assert told["destination"] == {"name": "b.weights.h5", "format": "keras-h5"}
    assert told["files"] == ["b.weights.h5"]
    assert told["warnings"] == [told["verdict"].partition("; ")[0]]
    assert told["verdict"].startswith("floats were rounded to float16, by at most 0.000")
    assert told["verdict"].endswith("; all cast values equal when read back")
    assert told["proof"] == {"equal": True, "arrays": len(SPEC.parameters())}
    assert told["dropped"][0]["name"] == "bn1.num_batches_tracked" and len(told["dropped"]) == 14
    assert told["defaulted"][0]["name"] == "layer1/0/conv1/attention/vars/0"
    assert told["defaulted"][0]["reason"].endswith(": 1.0")


def test_an_array_in_plain_values(source, tmp_path):
    report = convert(source, tmp_path / "b.weights.h5", dtype="float16", **HALF)
    array = arrays_of(SPEC)["layer1.0.conv1.weight"]
    (told,) = [a for a in report.to_dict()["arrays"] if a["name"] == "layer1.0.conv1.weight"]
    half = array.astype("f2")
    error = np.abs(half.astype("f8") - array) / np.abs(array.astype("f8"))
    assert told == {
        "name": "layer1.0.conv1.weight",
        "role": "expert_kernels",
        "shape": [2, 8, 8, 3, 3],
        "stored_name": "layer1/0/conv1/vars/0",
        "stored_shape": [2, 3, 3, 8, 8],
        "source_dtype": "F32",
        "dtype": "F16",
        "nbytes": half.nbytes,
        "minimum": float(array.min()),
        "maximum": float(array.max()),
        "nan": 0,
        "inf": 0,
        "first_nonfinite": None,
        "loss": {
            "overflowed": 0,
            "largest": 0.0,
            "flushed": 0,
            "relative_error": pytest.approx(error.max()),
        },
        "sha256": sha256(half.tobytes()).hexdigest(),
    }


def test_without_a_cast_nothing_is_lost(source, tmp_path):
    report = convert(source, tmp_path / "b.safetensors")
    assert all(array["loss"] is None for array in report.to_dict()["arrays"])
    assert not report.dropped and not report.defaulted
    assert "dtype" not in str(report)


def test_a_dry_run_tells_the_same_and_writes_nothing(source, tmp_path):
    real = convert(source, tmp_path / "b.pdparams", dtype="bfloat16", **HALF).to_dict()
    for file in tmp_path.glob("b.*"):
        file.unlink()
    dry = convert(source, tmp_path / "b.pdparams", dtype="bfloat16", dry_run=True, **HALF)
    assert list(tmp_path.iterdir()) == [source]
    verdict = real["verdict"].replace("all cast values equal when read back", "{}")
    other = {"files": [], "proof": None, "verdict": verdict.format("nothing was written (dry run)")}
    assert dry.to_dict() == real | other
    assert "nothing was written (dry run)" in str(dry)


def page_of(report):
    """The page, parsed strictly: everything that is no markup must be escaped."""
    text = html_report(report)
    assert text.startswith("<!DOCTYPE html>\n")
    closed = re.sub(r"(<meta[^>]*)>", r"\1/>", text.partition("\n")[2])
    return text, ET.fromstring(closed)


def test_the_page_shows_what_was_done(source, tmp_path):
    report = convert(source, tmp_path / "b.weights.h5", dtype="float16", **HALF)
    _, page = page_of(report)
    shown = " ".join(page.itertext())
    for text in (
        "a.pth → b.weights.h5",
        "all cast values equal when read back.",
        "14 arrays",  # dropped
        "layer1/0/conv1/attention/vars/0",  # defaulted
        f"{len(SPEC.parameters())} of {len(SPEC.parameters())} arrays cast",
        report.provenance.source_sha256,
    ):
        assert text in shown
    assert page.find(".//p[@class='verdict fair']").text.startswith(
        "Floats were rounded to float16"
    )
    assert len(page.findall(".//svg")) >= 3 and len(page.findall(".//rect")) > 50


def test_the_page_fits_a_narrow_screen(source, tmp_path):
    """As wide as the screen; what is wider scrolls by itself, and drawings stretch without text."""
    text, page = page_of(convert(source, tmp_path / "b.npz"))
    (view,) = [n for n in page.iter("meta") if n.get("name") == "viewport"]
    assert view.get("content") == "width=device-width, initial-scale=1"
    assert all(
        "scroll" in div.get("class") for div in page.iter("div") if div.find("table") is not None
    )
    assert len(page.findall(".//table")) == len(page.findall(".//div[@class='scroll']/table"))
    for drawing in page.iter("svg"):
        assert drawing.get("preserveAspectRatio") == "none" and drawing.get("width") is None
        assert not "".join(drawing.itertext())
    sizes = {float(size) for size in re.findall(r"font(?:-size)?: (\d+)px", text)}
    assert min(sizes) >= 13


NEWS = {
    "nothing": ({}, {}, "good", "all bits equal when read back"),
    "overflow": (
        {"fc.weight": 70000.0},
        {"allow_overflow": True, **HALF, "dtype": "float16"},
        "bad",
        "1 value became infinite; floats were rounded to float16, by at most",
    ),
    "nan": (
        {"fc.bias": np.nan},
        {"allow_nonfinite": True},
        "bad",
        "1 NaN kept; all bits equal when",
    ),
    "inf": (
        {"fc.bias": -np.inf},
        {"allow_nonfinite": True},
        "bad",
        "1 Inf kept; all bits equal when",
    ),
    "underflow": (
        {"fc.bias": 1e-30},
        {**HALF, "dtype": "float16"},
        "bad",
        "1 value became zero; floats",
    ),
    "worst first": (
        {"fc.bias": np.nan, "fc.weight": 7e4, "bn1.bias": 1e-30},
        {"allow_nonfinite": True, "allow_overflow": True, **HALF, "dtype": "float16"},
        "bad",
        "1 value became infinite; 1 NaN kept; 1 value became zero; floats were rounded to float16",
    ),
    "rounded": ({}, {**HALF, "dtype": "bfloat16"}, "fair", "floats were rounded to bfloat16"),
    "widened": ({}, {"dtype": "float64"}, "good", "all cast values equal when read back"),
    "no proof": ({}, {"proof": False}, "fair", "not read back"),
    "dry run": ({}, {"dry_run": True}, "fair", "nothing was written (dry run)"),
    "left out": (
        {"loss.weight": 1.0},
        {"ignore": "loss.*"},
        "fair",
        "1 array left out; all bits equal when read back",
    ),
}


@pytest.mark.parametrize("case", NEWS)
def test_the_headline_tells_the_worst_news_first(tmp_path, case):
    values, options, level, verdict = NEWS[case]
    arrays = arrays_of(SPEC) | {"loss.weight": np.ones(2, "f4")}
    for name, value in values.items():
        arrays[name].reshape(-1)[1] = value
    tensors = [Tensor.of(n, a) for n, a in arrays.items() if n in values or n != "loss.weight"]
    formats.write(tmp_path / "a.pth", "torch", tensors, {})
    request = Request(tmp_path / "a.pth", ignore=options.get("ignore", ()))
    chosen = {name: value for name, value in options.items() if name != "ignore"}
    report = convert(request, tmp_path / "b.npz", **chosen)
    assert report.verdict.startswith(verdict) and report.level == level
    assert str(report).splitlines()[1] == f"  result  {report.verdict}"
    assert report.to_dict()["verdict"] == report.verdict
    _, page = page_of(report)
    (headline,) = [n for n in page.iter("p") if "verdict" in n.get("class", "")]
    assert headline.get("class") == f"verdict {level}"
    assert headline.text.lower().startswith(verdict.lower())


def test_the_page_needs_nothing_but_itself(source, tmp_path):
    text, page = page_of(convert(source, tmp_path / "b.pdparams"))
    names = {node.tag for node in page.iter()}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    assert not re.search(r"https?:|url\(|@import|\bon\w+=|src=|href=", text)
    assert "default-src 'none'" in [n.get("content", "") for n in page.iter("meta")][2]


def test_names_are_no_markup(tmp_path):
    source = save(tmp_path / f"{NASTY.replace('/', '_')}.pth", SPEC, arrays_of(SPEC))
    text, page = page_of(convert(source, tmp_path / "b.pdparams"))
    assert "<script" not in text and '<script>alert("&")<_script>' in page.find(".//h1").text


def test_text_is_escaped_wherever_it_stands():
    made = element("p", NASTY, element("b", NASTY), title=f'"{NASTY}')
    assert "<script" not in made and ET.fromstring(made).attrib == {"title": f'"{NASTY}'}
    assert "<script" not in joined(NASTY, made)
    for plot in (bars([(NASTY, 1, NASTY)]), ranges([(NASTY, -1, 1)])):
        assert NASTY in "".join(ET.fromstring(plot).itertext()) or "<script" not in plot


def test_bars_are_as_long_as_their_values():
    plot = ET.fromstring(bars([("a", 10, ""), ("b", 5, ""), ("c", 0, "")]))
    wide, half, none = (float(r.get("width")) for r in plot.iter("rect"))
    assert half == pytest.approx(wide / 2) and none == 3  # what can be seen


def test_ranges_stand_where_their_numbers_are():
    plot = ET.fromstring(ranges([("a", -1.0, 1.0), ("b", 0.0, 1e-3), ("c", 5.0, 5.0)]))
    zero = next(float(n.get("x1")) for n in plot.iter("line") if n.get("class") == "zero")
    spans = [(float(r.get("x")), float(r.get("width"))) for r in plot.iter("rect")]
    assert spans[0][0] + spans[0][1] / 2 == pytest.approx(zero, abs=0.01)
    assert spans[1][0] == pytest.approx(zero, abs=0.01)
    assert spans[2][0] > spans[0][0] + spans[0][1] and spans[2][1] == 3
    assert all(0 <= float(n.get("x1")) <= 1000 for n in plot.iter("line"))
    ticks = [(float(n.get("style")[5:-1]), float(n.text)) for n in plot.iter("span")]
    lines = list(plot.iter("line"))[: len(ticks)]
    assert [place for place, _ in ticks] == pytest.approx(
        [float(n.get("x1")) / 10 for n in lines], abs=0.1
    )
    assert len(ticks) <= 5 and [value for _, value in ticks] == sorted(value for _, value in ticks)
    ET.fromstring(ranges([("huge", -3e38, 3e38), ("tiny", 0.0, 1e-45)]))
    ET.fromstring(ranges([]))


def test_histograms_have_a_bar_for_each_count():
    heights = [float(r.get("height")) for r in ET.fromstring(histogram([1, 4, 2])).findall("rect")]
    assert heights == [5, 20, 10]


def test_the_command_writes_json_and_the_page(source, tmp_path, capsys):
    page, target = tmp_path / "page.html", tmp_path / "b.pdparams"
    words = ["convert", str(source), str(target), "--report", str(page)]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == 1
    assert "b.pdparams" in page.read_text(encoding="utf-8")
    target.unlink()
    assert main(words) == 5  # the page exists, which is found out before any work
    assert not target.exists() and main([*words, "--overwrite", "--quiet"]) == 0
    for wrong in (source, target):
        assert main([*words[:-1], str(wrong), "--overwrite"]) == 2
