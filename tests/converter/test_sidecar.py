"""The sidecar of a `.pdparams` file: what it tells is what the file would tell."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from odconv.main import main
from odconv_spec import model_spec
from tests.converter.helpers import SMALL_MOBILENET, arrays_of, save
from weights_converter import DamagedError, RefusedError, convert, inspect
from weights_converter.comparison.verify import verify_digests
from weights_converter.formats import read
from weights_converter.formats.paddle.sidecar import FILES, sidecar
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request

# A stage table of its own, which the arrays alone do not show.
SPEC = model_spec("od_mobilenetv2_100", **SMALL_MOBILENET)
TABLE = Request("", stages=SMALL_MOBILENET["stages"])


@pytest.fixture
def written(tmp_path):
    source = save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))
    convert(Request(source, stages=TABLE.stages), tmp_path / "b.pdparams")
    return tmp_path / "b.pdparams"


def tell(path, texts):
    sidecar(path).write_text(texts if isinstance(texts, str) else json.dumps(texts))


def test_the_model_and_the_digests_are_known(written, tmp_path):
    assert open_model(written).spec == SPEC  # without its stage table
    assert verify_digests(written).equal
    convert(written, tmp_path / "c.safetensors")
    assert open_model(tmp_path / "c.safetensors").spec == SPEC


def test_inspect_and_convert_name_it(written, tmp_path, capsys):
    assert main(["inspect", str(written)]) == 0
    assert "its metadata are those of b.pdparams.manifest.json" in capsys.readouterr().out
    assert main(["convert", str(written), str(tmp_path / "c.pdparams")]) == 0
    out = capsys.readouterr().out
    assert "its metadata are those of b.pdparams.manifest.json" in out
    assert "c.pdparams.manifest.json" in out


def test_without_it_the_file_is_as_good_and_verify_says_what_is_missing(written, capsys):
    sidecar(written).unlink()
    assert inspect(Request(written, stages=TABLE.stages)).spec == SPEC
    words = ["verify", str(written), "--stages", "1,16,1,1 3,24,2,2"]
    assert main(words) == 2
    assert "b.pdparams.manifest.json is not beside it" in capsys.readouterr().err


@pytest.mark.parametrize("own", ["old", "new", "neither"])
def test_while_a_pair_is_replaced_each_file_has_its_own(written, own):
    metadata = json.loads(sidecar(written).read_text())
    digest = sha256(written.read_bytes()).hexdigest()
    other = {"odconv.spec": "of another file"}
    both = {digest: metadata, "0" * 64: other}
    if own == "new":
        both = dict(reversed(both.items()))
    elif own == "neither":
        both = {"1" * 64: other, "0" * 64: other}
    tell(written, {FILES: json.dumps(both), "odconv.spec": "of nobody"})
    assert read(written).metadata == ({} if own == "neither" else metadata)


@pytest.mark.parametrize(
    ("texts", "error", "fact"),
    [
        ("", DamagedError, "its content is not JSON"),
        ("[]", DamagedError, "not a JSON object"),
        ("[" * 100_000, DamagedError, "its content is not JSON"),
        ('{"a": 1}', DamagedError, "no object of texts"),
        ('{"a": {"b": "c"}}', DamagedError, "no object of texts"),
        ('{"a": "b", "a": "c"}', RefusedError, "has a twice"),
        ({FILES: "[]"}, DamagedError, "not a JSON object"),
        ({FILES: "\ud800"}, DamagedError, "is not JSON"),
        ({"a": "x" * (1 << 24)}, RefusedError, "it has 16777"),
    ],
)
def test_a_hostile_one(written, texts, error, fact):
    tell(written, texts)
    with pytest.raises(error, match=fact) as caught:
        read(written)
    assert "b.pdparams.manifest.json" in str(caught.value)


@pytest.mark.parametrize("texts", [1, [], {"a": 1}])
def test_a_hostile_entry_of_the_file(written, texts):
    tell(written, {FILES: json.dumps({sha256(written.read_bytes()).hexdigest(): texts})})
    with pytest.raises(DamagedError, match=r"b\.pdparams\.manifest\.json"):
        read(written)


def test_what_is_no_file_beside_it_is_none(written, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    secret = tmp_path / "elsewhere" / "secret.json"
    secret.write_text('{"secret": "text"}')
    sidecar(written).unlink()
    sidecar(written).symlink_to(secret)
    assert read(written).metadata == {}
    sidecar(written).unlink()
    sidecar(written).symlink_to(sidecar(written))
    assert read(written).metadata == {}
    sidecar(written).unlink()
    sidecar(written).mkdir()
    assert read(written).metadata == {}


@pytest.mark.parametrize("name", [f"{'x' * 246}.pdparams", "a\nb:c\\d.pdparams"])
def test_names_that_are_long_or_odd(written, name):
    texts = json.loads(sidecar(written).read_text())
    path = written.rename(written.with_name(name))
    if len(name) < 200:
        tell(path, texts)
    assert read(path).metadata == (texts if len(name) < 200 else {})
