"""Attentions in numbers and on a page, and the choice of images: what no framework decides."""

from __future__ import annotations

import math
from dataclasses import replace
from xml.etree import ElementTree as XML

import numpy as np
import pytest
from PIL import Image

from odconv_training import CorruptImageError, Samples, TrainingError
from odconv_training.attending.attended import AttendedImages
from odconv_training.attending.chosen import Chosen, choose_images
from odconv_training.attending.measures import LayerAttentions, by_class, collected
from odconv_training.attending.page import check_page, html_page, write_page
from tests.training.folders import BROKEN, write_folder
from weights_converter.errors import FileError, UsageError

KERNEL = np.array([[1.0, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0]])
LAYER = LayerAttentions("a", {"kernel": KERNEL, "filter": np.full((3, 8), 0.5)})
STATIC = LayerAttentions("b.<c>", {"channel": np.repeat([[0.504], [0.5], [0.496]], 5, axis=1)})
LABELS = np.array([1, 1, 0])


def test_the_spread_is_a_share_of_the_mean():
    expected = math.sqrt(np.mean(np.var(KERNEL, axis=0))) / 0.25
    assert LAYER.spread("kernel") == pytest.approx(expected)
    assert LAYER.spreads == {"kernel": pytest.approx(expected), "filter": 0}
    assert STATIC.spread("channel") == pytest.approx(0.004 * math.sqrt(2 / 3) / 0.5)
    assert (LAYER.is_static, STATIC.is_static) == (False, True)


def test_the_entropy_is_from_one_kernel_to_all():
    np.testing.assert_allclose(LAYER.entropies, [0, 1, 0.5])
    routed = LayerAttentions("a", {"kernel": 2 * KERNEL})  # weights of CondConv add up to anything
    np.testing.assert_allclose(routed.entropies, LAYER.entropies)
    assert LayerAttentions("a", {"kernel": np.ones((3, 1))}).entropies is None
    assert STATIC.entropies is None
    assert by_class(LAYER.entropies, LABELS, ("x", "y", "z")) == [("x", 0.5), ("y", 0.5)]


def test_batches_are_put_together_and_axes_of_one_are_left_out():
    values = np.arange(5 * 2 * 3 * 2).reshape(5, 2, 1, 1, 3, 2)
    batches = [{"a": {"spatial": values[:3]}}, {"a": {"spatial": values[3:]}}]
    (found,) = collected(batches)
    np.testing.assert_array_equal(found.values["spatial"], values.reshape(5, 12))
    assert found.columns == 2
    (other,) = collected([{"a": {"spatial": values.reshape(5, 2, 3, 2, 1, 1)}}])  # as Keras has it
    np.testing.assert_array_equal(other.values["spatial"], found.values["spatial"])
    assert other.columns == 2


def folder(tmp_path, files, pixel=0):
    for name in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 7), (pixel, 0, 0)).save(path)
    return str(tmp_path)


def test_images_of_each_class_in_turn(tmp_path):
    files = [
        f"{name}/{index}.png" for name, count in (("ant", 9), ("bee", 2)) for index in range(count)
    ]
    images = folder(tmp_path, [*files, "bee/deeper/2.png"])
    chosen = choose_images(images, 6, seed=0)
    assert chosen.classes == ("ant", "bee")
    assert sorted(chosen.samples.labels.tolist()) == [0, 0, 0, 1, 1, 1]
    turns = [set(chosen.samples.labels[start : start + 2].tolist()) for start in (0, 2, 4)]
    assert turns == [{0, 1}] * 3
    assert [str(path.relative_to(tmp_path)) for path in chosen.samples.paths] == list(chosen.names)
    again, other = choose_images(images, 6, seed=0), choose_images(images, 6, seed=1)
    assert again.names == chosen.names != other.names
    every = choose_images(images, 99, seed=0)
    assert len(set(every.names)) == 12


def test_images_without_classes_and_those_of_a_training(tmp_path):
    flat = choose_images(folder(tmp_path / "flat", ["a.png", "b.JPG", "sub/c.png"]), 9, 0)
    assert (flat.classes, sorted(flat.names)) == ((), ["a.png", "b.JPG", "sub/c.png"])
    found = choose_images(str(write_folder(tmp_path / "photos")), 99, 0)
    assert (found.classes, len(found.names)) == (("ant", "bee", "cat"), 6)  # those of val/
    assert found.picture(0).size == (48, 48)


def test_digits():
    chosen = choose_images("digits", 20, 0)
    assert np.bincount(chosen.samples.labels).tolist() == [2] * 10
    shade = (chosen.samples.images[3, 0].mean() + 1) * 127.5
    assert np.asarray(chosen.picture(3)).mean() == pytest.approx(shade, rel=0.1)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path / "nowhere", "--images: expected a folder of images, or 'digits'"),
        (lambda path: path, r"--images: expected images \(.bmp .* in .*, received none"),
    ],
)
def test_no_images(tmp_path, make, words):
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(TrainingError, match=words):
        choose_images(str(make(tmp_path)), 5, 0)


def attended(**changes):
    images = np.linspace(-1, 1, 3 * 3 * 8 * 8, dtype=np.float32).reshape(3, 3, 8, 8)
    chosen = Chosen(Samples(LABELS, images=images), ("<1>", "2", "3"), ("ant & bee", "cat", "dog"))
    layers = (LAYER, STATIC, LayerAttentions("c", {"spatial": np.eye(3, 9)}, 3))
    found = AttendedImages("<net>.pth", "a net", "torch", "photos", chosen, ("cat",) * 3, layers)
    return replace(found, **changes)


def parsed(text):
    """The page as XML, which it is but for the elements that HTML never closes."""
    for name in ("meta charset", "meta name", "meta http-equiv"):
        start = text.index(f"<{name}")
        end = text.index(">", start)
        text = f"{text[:end]}/{text[end:]}"
    return XML.fromstring(text.removeprefix("<!DOCTYPE html>"))


def test_the_page():
    page = parsed(html_page(attended()))
    words = " ".join("".join(page.itertext()).split())
    assert "do the same to every image, as static ones do: 1 of 3" in words
    assert "b.<c> (channel 0.01) — static" in words
    assert "<1>: cat, taken for cat" in words
    rows = [["".join(c.itertext()) for c in row] for row in page.iter("tr")]
    assert ["layer", "kernel", "spatial", "channel", "filter", ""] in rows
    assert ["b.<c>", "", "", "0.01", "", "static"] in rows
    assert ["layer", "ant & bee", "cat"] in rows  # of the third class there is no image
    assert ["a", "0.50", "0.50"] in rows
    drawings = [list(svg) for svg in page.iter("svg")]
    heights = [float(r.get("height")) for r in drawings[1]]  # after the bar of the entropy
    assert heights == [40, 0, 0, 0]
    assert not page.findall(".//script")
    assert all(not "".join(svg.itertext()) for svg in page.iter("svg"))
    policy = next(n for n in page.iter("meta") if n.get("http-equiv"))
    assert policy.get("content").startswith("default-src 'none'; ")


def test_the_page_of_layers_that_all_see_the_image():
    words = "".join(parsed(html_page(attended(layers=(LAYER,)))).itertext())
    assert "Every dynamic layer depends on the image." in words
    assert "static" not in words.split("Entropy")[0].replace("a static layer", "")


def test_the_page_without_kernels_to_choose_and_without_classes():
    chosen = replace(attended().chosen, classes=())
    text = html_page(attended(layers=(STATIC,), chosen=chosen))
    assert "one kernel, so that none is chosen" in text
    assert "by class" not in text
    assert "not known" in text


def test_the_numbers():
    found = attended().to_dict()
    assert (found["count"], found["static"]) == (3, ["b.<c>"])
    first, second, _ = found["layers"]
    assert first["entropy_by_class"] == {"ant & bee": 0.5, "cat": 0.5}
    assert first["attentions"]["filter"] == {"size": 8, "mean": 0.5, "spread": 0}
    assert (second["entropy"], second["entropy_by_class"], second["static"]) == (None, {}, True)
    assert str(attended()).splitlines()[2:5] == [
        "dynamic layers that do the same to every image: 1 of 3",
        f"a      kernel {100 * LAYER.spread('kernel'):.1f} %, filter 0.0 %; entropy 0.500",
        "b.<c>  channel 0.7 %; static",
    ]


def test_where_a_page_is_written(tmp_path):
    path = tmp_path / "page.html"
    write_page(attended(), path, overwrite=False)
    assert path.read_text("utf-8") == html_page(attended())
    with pytest.raises(FileError, match=r"page\.html"):
        check_page(path, overwrite=False)
    check_page(path, overwrite=True)
    with pytest.raises(UsageError, match=r"page.txt: expected a page's name in .html or .htm"):
        check_page(tmp_path / "page.txt", overwrite=False)


def test_a_picture_of_what_is_no_image(tmp_path):
    (tmp_path / "a.png").write_bytes(BROKEN)
    chosen = choose_images(str(tmp_path), 5, 0)
    with pytest.raises(CorruptImageError, match=r"expected an image, received .*a\.png"):
        chosen.picture(0)
