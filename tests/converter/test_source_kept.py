"""No path that a conversion reads is one that it writes or removes, by whatever name."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest

from odconv.main import main
from tests.converter.bundles import VALUE, Bundle
from tests.converter.standing import FOUR, NET, NEW, OLD, Target, source
from tests.converter.standing_content import digests
from weights_converter import Request, UsageError, convert
from weights_converter.identify.manifest import write_manifest


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """One of each kind."""
    folder = tmp_path_factory.mktemp("sources")
    (folder / "in").mkdir()
    for kind in ("pth", "safetensors-set", "keras-set", "pdparams"):
        Target(kind, folder / "in").write(source(folder, NEW), FOUR)
    return folder / "in"


@pytest.fixture
def folder(sources, tmp_path):
    """A copy of them."""
    return shutil.copytree(sources, tmp_path / "in")


def shards(index):
    """The files of a set, the index's own order."""
    listed = json.loads(index.read_text())["weight_map"].values()
    names = [name for entry in listed for name in ([entry] if isinstance(entry, str) else entry)]
    return [index.with_name(name) for name in dict.fromkeys(names)]


def direct(path):
    return path


def by_symlink(path):
    link = path.with_name(f"link-{path.name}")
    link.symlink_to(path.name)
    return link


def by_hard_link(path):
    link = path.with_name(f"hard-{path.name}")
    os.link(path, link)
    return link


def by_linked_folder(path):
    (path.parent.parent / "door").symlink_to(path.parent.name)
    return path.parent.parent / "door" / path.name


def by_dots(path):
    return path.parent / ".." / path.parent.name / path.name


WAYS = [direct, by_symlink, by_hard_link, by_linked_folder, by_dots]


def refused(folder, src, dst, **options):
    before = digests(folder)
    with pytest.raises(UsageError):
        convert(src, dst, overwrite=True, **options)
    assert digests(folder) == before


@pytest.mark.parametrize("way", WAYS)
def test_the_source_itself(folder, way):
    refused(folder, folder / "b.pth", way(folder / "b.pth"))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("number", [0, -1])
@pytest.mark.parametrize("index", ["b.safetensors.index.json", "b.weights.json"])
def test_a_shard_of_the_source(folder, index, number, way):
    refused(folder, folder / index, way(shards(folder / index)[number]))


SET_NAMES = [("b.safetensors.index.json", "b.safetensors"), ("b.weights.json", "b.weights.h5")]


@pytest.mark.parametrize("way", [direct, by_symlink, by_hard_link, by_dots])
@pytest.mark.parametrize(("index", "name"), SET_NAMES)
def test_a_set_onto_itself(folder, index, name, way):
    """Whether the destination is told by the index's name or by that of one file."""
    src = way(folder / index)
    refused(folder, src, folder / index, max_shard_bytes=FOUR)
    refused(folder, src, folder / name, max_shard_bytes=FOUR)


@pytest.mark.parametrize(("index", "name"), SET_NAMES)
def test_a_shard_of_the_set_that_is_replaced(folder, index, name):
    """It would be removed when the new set is complete."""
    # A whole checkpoint that an index claims for its own.
    single = "keras" if name == "b.weights.h5" else "safetensors"
    Target(single, folder).write(source(folder.parent, OLD))
    claimed = shards(folder / index)[1]
    shutil.copy(folder / name, claimed)
    before = digests(folder)
    try:
        convert(claimed, folder / name, max_shard_bytes=FOUR, overwrite=True)
    except UsageError:
        assert digests(folder) == before
    assert digests(folder).get(claimed.name) == before[claimed.name]


@pytest.mark.parametrize("name", ["b_00000.weights.h5", "b_00001.weights.h5"])
def test_a_file_that_a_set_would_be_written_to(tmp_path, name):
    Target("keras", tmp_path).write(source(tmp_path, NEW))
    (tmp_path / "b.weights.h5").rename(tmp_path / name)
    before = digests(tmp_path)
    try:
        convert(tmp_path / name, tmp_path / "b.weights.h5", max_shard_bytes=FOUR, overwrite=True)
    except UsageError:
        assert digests(tmp_path) == before
    assert digests(tmp_path)[name] == before[name]


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_safetensors_file_that_a_set_would_be_written_to(tmp_path, number):
    Target("safetensors", tmp_path).write(source(tmp_path, NEW))
    src = tmp_path / f"b-{number:05}-of-00004.safetensors"
    (tmp_path / "b.safetensors").rename(src)
    before = digests(tmp_path)
    try:
        convert(src, tmp_path / "b.safetensors", max_shard_bytes=FOUR, overwrite=True)
    except UsageError:
        assert digests(tmp_path) == before
    assert digests(tmp_path)[src.name] == before[src.name]


@pytest.mark.parametrize("way", [direct, by_hard_link])
def test_a_file_inside_a_folder_that_is_the_source(tmp_path, way):
    """A Keras model that is not zipped."""
    (tmp_path / "model").mkdir()
    Target("keras", tmp_path).write(source(tmp_path, NEW))
    inside = tmp_path / "model" / "model.weights.h5"
    (tmp_path / "b.weights.h5").rename(inside)
    refused(tmp_path / "model", tmp_path / "model", way(inside))


@pytest.mark.parametrize("file", ["index", "data-00000-of-00001"])
@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_a_file_of_a_tensorflow_checkpoint(tmp_path, file, link):
    variables = tmp_path / "saved" / "variables"
    variables.mkdir(parents=True)
    bundle = Bundle()
    for p in NET.parameters():
        bundle.add(f"{p.name.replace('.', '/').removesuffix('weight')}kernel{VALUE}", ones(p.shape))
    for name, content in bundle.files("variables").items():
        (variables / name).write_bytes(content)
    target = tmp_path / "b.pth"
    getattr(target, link)(variables / f"variables.{file}")
    before = digests(variables)
    for src in (tmp_path / "saved", variables, variables / "variables.index"):
        convert(Request(src, NET), tmp_path / "c.pth", overwrite=True)  # it can be converted
        refused(variables, Request(src, NET), target)
    assert digests(variables) == before and os.path.samestat(
        target.stat(), (variables / f"variables.{file}").stat()
    )


def ones(shape):
    return np.ones(shape, np.float32)


@pytest.mark.parametrize("way", WAYS)
def test_the_sidecar_is_the_source(folder, way):
    """Which is one that has a strange name."""
    src = folder / "c.pdparams.manifest.json"
    (folder / "b.pth").rename(src)
    other = way(src)
    name = other.name.removesuffix(".manifest.json")
    refused(folder, src, other.with_name(name))


@pytest.mark.parametrize("way", WAYS)
def test_the_sidecar_is_the_model(folder, way):
    model = folder / "c.pdparams.manifest.json"
    write_manifest(NET, model)
    name = way(model).name.removesuffix(".manifest.json")
    refused(folder, Request(folder / "b.pth", model), way_of(way, model).with_name(name))


def way_of(way, path):
    """Where `way` has led already."""
    return {
        by_symlink: path.with_name(f"link-{path.name}"),
        by_hard_link: path.with_name(f"hard-{path.name}"),
        by_linked_folder: path.parent.parent / "door" / path.name,
    }.get(way, path)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("read", ["source", "shard", "model", "sidecar of the source"])
def test_the_report_is_what_is_read(folder, capsys, read, way):
    write_manifest(NET, folder / "net.json")
    src = {
        "source": folder / "b.pth",
        "shard": folder / "b.safetensors.index.json",
        "model": folder / "b.pth",
        "sidecar of the source": folder / "b.pdparams",
    }[read]
    victim = {
        "source": src,
        "shard": shards(folder / "b.safetensors.index.json")[1],
        "model": folder / "net.json",
        "sidecar of the source": folder / "b.pdparams.manifest.json",
    }[read]
    report = way(victim)
    before = digests(folder)
    words = [str(src), str(folder.parent / "c.npz"), "--report", str(report), "--overwrite"]
    assert main(["convert", *words, "--model", str(folder / "net.json")]) == 2
    assert digests(folder) == before
    assert not (folder.parent / "c.npz").exists()


@pytest.mark.parametrize("report", ["c.pdparams", "c.pdparams.manifest.json"])
def test_the_report_is_what_is_written(folder, capsys, report):
    before = digests(folder)
    words = [str(folder / "b.pth"), str(folder / "c.pdparams"), "--overwrite"]
    assert main(["convert", *words, "--report", str(folder / report)]) == 2
    assert digests(folder) == before


@pytest.mark.parametrize("way", [direct, by_symlink, by_hard_link, by_dots])
@pytest.mark.parametrize("index", ["c.safetensors.index.json", "c.weights.json"])
def test_the_destination_is_the_model(folder, index, way):
    write_manifest(NET, folder / index)
    model = way(folder / index)
    refused(folder, Request(folder / "b.pth", model), folder / index, max_shard_bytes=FOUR)


def test_the_destination_is_the_sidecar_of_the_source(folder):
    os.link(folder / "b.pdparams.manifest.json", folder / "c.npz")
    refused(folder, folder / "b.pdparams", folder / "c.npz")
