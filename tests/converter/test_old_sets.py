"""Sets that others have written, and what a new set that replaces one may remove: its shards."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.converter.crashes import KILL, MOVES, attempt, faults
from tests.converter.standing import NEW, OLD, SETS, Target, source
from tests.converter.standing_content import digests, read
from tests.quick import quick
from weights_converter import convert

SHARD = {"safetensors-set": "b-{}-of-00009.safetensors", "keras-set": "b_{}.weights.h5"}


def index(kind, names):
    """One that lists files by these names."""
    keys = [f"/layers/{i}/vars" if kind == "keras-set" else f"a.{i}" for i in range(len(names))]
    return json.dumps({"metadata": {}, "weight_map": dict(zip(keys, names, strict=True))})


@pytest.fixture(params=SETS)
def target(request, tmp_path):
    """Whose folder has files of others, and a folder beside it."""
    made = Target(request.param, tmp_path / "out")
    made.folder.mkdir()
    made.add_bystanders()
    (tmp_path / "up.safetensors").write_bytes(b"up")
    (made.folder / "inner").mkdir()
    (made.folder / "inner" / SHARD[made.kind].format("00003")).write_bytes(b"inner")
    return made


def test_an_index_that_lists_files_of_others(target, tmp_path):
    names = ["../up.safetensors", str(tmp_path / "up.safetensors"), "inner", ".", "..", ""]
    names += [f"inner/{SHARD[target.kind].format('00003')}", "notes.txt", "a/../b", "\0", "x" * 999]
    names += [path.name for path in target.folder.iterdir() if path.is_file()]
    target.path.write_text(index(target.kind, names))
    target.remember({target.path.name})
    new = written(target, tmp_path)
    assert not target.wrong_unless_new(new)
    assert (tmp_path / "up.safetensors").read_bytes() == b"up"
    assert (target.folder / "inner" / SHARD[target.kind].format("00003")).read_bytes() == b"inner"


def written(target, tmp_path):
    """What a conversion into an empty folder gives; then into the target's."""
    clean = Target(target.kind, tmp_path / "clean")
    clean.folder.mkdir()
    src = source(tmp_path, NEW)
    clean.write(src)
    target.write(src)
    return read(clean.path)


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"weight_map": []}', b'{"weight_map": 3}'),
        *(b"[" * 100_000, b'{"weight_map": {"a": 5, "b": [1], "c": null, "d": {}}}'),
        b'{"weight_map": {"a": "\\ud800", "b": ["x", "y"]}}',
    ],
    ids=range(10),
)
def test_an_index_that_cannot_be_read_is_replaced(target, tmp_path, text):
    target.path.write_bytes(text)
    target.remember({target.path.name})
    assert not target.wrong_unless_new(written(target, tmp_path))


def test_a_set_that_another_program_has_written(target, tmp_path):
    """With names that transformers and Keras give: they are removed, the last one included."""
    names = [SHARD[target.kind].format(f"{i:05}") for i in range(9)]
    for name in names:
        if target.kind == "keras-set":
            with h5py.File(target.folder / name, "w") as file:
                file[f"layers/{name}/vars/0"] = np.ones(3)
        else:
            save_file({name: np.ones(3)}, target.folder / name)
    target.path.write_text(index(target.kind, names))
    own = {target.path.name, *names}
    target.remember(own)
    assert not target.wrong_unless_new(written(target, tmp_path))


def test_shards_that_are_links(target, tmp_path):
    """As a cache of downloads has them: the links go, what they lead to stays."""
    (tmp_path / "blobs").mkdir()
    names = [SHARD[target.kind].format(f"{i:05}") for i in range(3)]
    for name in names:
        (tmp_path / "blobs" / name).write_bytes(name.encode())
        (target.folder / name).symlink_to(tmp_path / "blobs" / name)
    (tmp_path / "blobs" / "index").write_text(index(target.kind, names))
    target.path.symlink_to(tmp_path / "blobs" / "index")
    before = digests(tmp_path / "blobs")
    target.remember({target.path.name, *names})
    assert not target.wrong_unless_new(written(target, tmp_path))
    assert digests(tmp_path / "blobs") == before


def test_files_with_names_of_shards_that_no_index_lists(target, tmp_path):
    """They may be anybody's: they are neither replaced nor removed, or the conversion refuses."""
    names = [SHARD[target.kind].format(f"{i:05}") for i in range(1, 9)]
    names += [name.replace("00009", "00004") for name in names]
    for name in names:
        (target.folder / name).write_bytes(name.encode())
    before = digests(target.folder)
    ending = attempt(lambda: target.write(source(tmp_path, NEW), overwrite=False))
    assert ending.code in (0, 5), ending
    found = digests(target.folder)
    assert {name: found.get(name) for name in before} == before
    if ending.code == 5:
        assert found == before


def test_another_set_in_the_folder(target, tmp_path):
    """Whose name starts like this one's."""
    for name in ("b-00001", "b_00000", "b.b", "bb", "b-", "b_", "B"):
        ending = target.path.name.removeprefix("b")
        convert_to = Target(target.kind, target.folder)
        convert_to.write(source(tmp_path, NEW))
        rename_set(convert_to, name + ending)
    target.remember({target.path.name})
    new = written(target, tmp_path)
    assert not target.wrong_unless_new(new)
    target.write(source(tmp_path, NEW))
    assert not target.wrong_unless_new(new)


def rename_set(target, name):
    """Gives the set another name, as writing it to that would have."""
    listed = target.members() - {target.path.name}
    text = target.path.read_text()
    stem = name.removesuffix(target.path.name.removeprefix("b"))
    for member in listed:
        renamed = stem + member.removeprefix("b")
        text = text.replace(f'"{member}"', f'"{renamed}"')
        (target.folder / member).rename(target.folder / renamed)
    (target.folder / name).write_text(text)
    target.path.unlink()


@pytest.mark.parametrize("target", quick(SETS[:1], SETS), indirect=True)
def test_all_is_removed_that_a_killed_run_has_left_of_many(target, tmp_path):
    """One killed run after the other, with other sizes of shards, then one that ends."""
    for fault in faults(KILL, names=MOVES):
        size = (256, 512, 768, 1024)[fault.number % 4]
        src = source(tmp_path, fault.number)
        ending = attempt(lambda src=src, size=size: target.write(src, size), fault)
        if not ending.where:
            break
    target.remember({path.name for path in target.folder.iterdir()} - set_of_others(target))
    new = written(target, tmp_path)
    assert not target.wrong_unless_new(new)


def set_of_others(target):
    return {path.name for path in target.folder.iterdir() if path.is_file() and others(path)}


def others(path):
    """Whether it is as `add_bystanders` made it."""
    return path.read_bytes() == path.name.encode()


def test_the_report_names_what_is_there(target, tmp_path):
    report = target.write(source(tmp_path, NEW))
    assert {path.name for path in report.files} == target.members()
    report = convert(target.path, tmp_path / "c.pdparams")
    assert {path.name for path in report.files} == {"c.pdparams", "c.pdparams.manifest.json"}


def test_a_journal_of_a_stranger(target, tmp_path):
    """What looks like one of a killed run, out of an archive, has no file of others removed."""
    names = [SHARD[target.kind].format(f"{i:05}") for i in range(9)]
    for name in names:
        (target.folder / name).write_bytes(name.encode())
    target.remember({target.path.name})
    numbers = dict.fromkeys(names, 1)
    for text in (names, numbers, {"new": numbers, "old": numbers}):
        journal = target.folder / f".{target.path.name}.0123456789abcdef.part"
        journal.write_text(json.dumps(text))
        target.write(source(tmp_path, OLD))
        assert target.others == {name: digests(target.folder).get(name) for name in target.others}
