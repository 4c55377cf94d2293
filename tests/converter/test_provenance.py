"""What a converted file tells of where it is from."""

from __future__ import annotations

import json
from hashlib import sha256

import numpy as np
import pytest

from odconv_spec import model_spec, to_json
from tests.converter.helpers import ENDINGS, SMALL_RESNET, arrays_of, save
from weights_converter import DamagedError, FileError, UsageError, convert, formats
from weights_converter.comparison.verify import verify_digests
from weights_converter.conversion.provenance import KEY, Provenance
from weights_converter.formats.destinations.single import SingleFile
from weights_converter.formats.files.source import Source
from weights_converter.formats.paddle.sidecar import read_sidecar
from weights_converter.identify.request import Request

SPEC = model_spec("od_resnet18", kernel_num=2, **SMALL_RESNET)
IN_THE_FILE = [ending for ending in ENDINGS if ending != ".pdparams"]


@pytest.fixture
def source(tmp_path):
    (tmp_path / "private").mkdir()
    return save(tmp_path / "private" / "a.pth", SPEC, arrays_of(SPEC))


def told(path):
    if path.name.endswith(".pdparams"):
        metadata = json.loads(path.with_name(path.name + ".manifest.json").read_text())
        return metadata, json.loads(metadata[KEY])
    metadata = formats.read(path).metadata
    return metadata, json.loads(metadata[KEY])


@pytest.mark.parametrize("ending", ENDINGS)
def test_it_is_in_the_file_or_beside_it(source, tmp_path, ending):
    target = tmp_path / f"b{ending}"
    report = convert(source, target)
    metadata, found = told(target)
    assert metadata["odconv.spec"] == to_json(SPEC)
    assert found["source"] == "a.pth" and found["source_format"] == "torch"
    assert found["source_sha256"] == sha256(source.read_bytes()).hexdigest()
    assert found["dtype"] == "keep" and found["tool"].startswith("odconv ")
    assert found["sha256"] == {
        name: sha256(array.tobytes()).hexdigest() for name, array in arrays_of(SPEC).items()
    }
    assert "created" not in found
    assert len(found["defaulted"]) == len(report.defaulted)
    for file in report.files:
        assert str(tmp_path).encode() not in file.read_bytes()


@pytest.mark.parametrize("ending", ENDINGS)
def test_times_come_from_the_environment_only(source, tmp_path, ending, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    for name in ("x", "y"):
        convert(source, tmp_path / f"{name}{ending}")
    assert told(tmp_path / f"x{ending}")[1]["created"] == "2023-11-14T22:13:20+00:00"
    assert (tmp_path / f"x{ending}").read_bytes() == (tmp_path / f"y{ending}").read_bytes()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH: expected seconds"):
        convert(source, tmp_path / f"z{ending}")


def test_what_was_dropped(tmp_path, source):
    convert(source, tmp_path / "b.weights.h5")
    convert(tmp_path / "b.weights.h5", tmp_path / "c.safetensors", dtype="float64")
    found = told(tmp_path / "c.safetensors")[1]
    assert found["dropped"][0] == "layer1/0/conv1/attention/vars/0" and len(found["dropped"]) == 6
    assert found["defaulted"][0] == "bn1.num_batches_tracked" and found["dtype"] == "float64"


@pytest.mark.parametrize("ending", IN_THE_FILE)
def test_a_file_is_checked_against_its_own_digests(source, tmp_path, ending):
    convert(source, tmp_path / f"b{ending}")
    assert verify_digests(tmp_path / f"b{ending}").equal
    found = formats.read(tmp_path / f"b{ending}")
    tensors = list(found.tensors.values())
    index = next(i for i, t in enumerate(tensors) if t.shape == (8,))
    array = tensors[index].load()
    array[3] = np.nextafter(array[3], 9)
    tensors[index] = type(tensors[index]).of(tensors[index].name, array)
    format = formats.format_of(f"x{ending}")
    formats.write(tmp_path / f"c{ending}", format, tensors, found.metadata)
    comparison = verify_digests(tmp_path / f"c{ending}")
    assert len(comparison.differences) == 1 and comparison.right is None
    count = len(SPEC.parameters())
    assert f"{count - 1} of {count} arrays of od_resnet" in str(comparison)
    assert "are as the converter wrote them" in str(comparison) and "a.pth" not in str(comparison)
    assert "is not what the converter wrote" in str(comparison)


def test_a_key_that_chooses_nothing(source, tmp_path):
    convert(source, tmp_path / "b.safetensors")
    with pytest.raises(UsageError, match="no key to choose from"):
        verify_digests(Request(tmp_path / "b.safetensors", key="ema"))


def test_files_without_digests(source, tmp_path):
    with pytest.raises(UsageError, match=r"a\.pth has no digests of its arrays"):
        verify_digests(source)
    convert(source, tmp_path / "b.safetensors", proof=False)
    with pytest.raises(UsageError, match="has no digests"):
        verify_digests(tmp_path / "b.safetensors")


@pytest.mark.parametrize(
    "text", ["", "[]", "3", "[" * 9999, '{"source": 1}', '{"tool": "x", "strange": 1}',
             '{"tool":"x","source":"y","source_format":"z","dtype":"keep","sha256":[1]}',
             '{"tool":"x","source":"y","source_format":"z","dtype":"keep","sha256":{"a":1}}'],
)  # fmt: skip
def test_provenance_that_nobody_wrote(tmp_path, text):
    path = save(tmp_path / "a.safetensors", SPEC, arrays_of(SPEC), ".safetensors", {KEY: text})
    with pytest.raises(DamagedError, match=r"odd odconv\.provenance"):
        verify_digests(path)
    convert(path, tmp_path / "b.pth")  # which does not need it


def test_text_and_back():
    first = Provenance("odconv 1", "a.pth", "torch", "keep", "ab", ("x",), (), {"n": "d"})
    fields = json.loads(first.text())
    assert Provenance(**fields).sha256 == {"n": "d"} and "created" not in fields


def test_the_sidecar_never_tells_of_another_file(source, tmp_path):
    target = tmp_path / "b.pdparams"
    beside = tmp_path / "b.pdparams.manifest.json"
    beside.write_text("precious")
    with pytest.raises(FileError, match=r"b\.pdparams\.manifest\.json exists already"):
        convert(source, target)
    assert beside.read_text() == "precious" and not target.exists()
    convert(source, target, overwrite=True)
    assert told(target)[1]["source"] == "a.pth"
    beside.unlink()
    beside.mkdir()
    with pytest.raises(FileError, match="it is a folder"):
        convert(source, target, overwrite=True)


def test_a_sidecar_tells_of_the_file_that_is_there(source, tmp_path, monkeypatch):
    """As if the process were interrupted between the sidecar of both files and the new file."""
    target, beside = tmp_path / "b.pdparams", tmp_path / "b.pdparams.manifest.json"
    convert(source, target)
    old, told_of_old = target.read_bytes(), beside.read_bytes()
    seen = []

    def killed(file):
        seen.append(read_sidecar(Source.at(target)))
        raise KeyboardInterrupt

    monkeypatch.setattr(SingleFile, "place", killed)
    with pytest.raises(KeyboardInterrupt):
        convert(source, target, dtype="float64", overwrite=True)
    assert seen == [json.loads(told_of_old)]
    assert (target.read_bytes(), beside.read_bytes()) == (old, told_of_old)
    assert len(list(tmp_path.iterdir())) == 3
