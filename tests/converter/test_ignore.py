"""Arrays that are left out by a pattern, in everything that opens a checkpoint."""

from __future__ import annotations

import json

import numpy as np
import pytest

from odconv.main import main
from odconv_spec import model_spec
from tests.converter.helpers import SMALL_RESNET, arrays_of, save
from tests.converter.wild import assert_same, indexed, loaded, write
from weights_converter import MismatchError, UsageError, convert, diff, inspect, verify
from weights_converter.comparison.verify import verify_digests
from weights_converter.conversion.html_report import html_report
from weights_converter.conversion.provenance import Provenance
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request

SPEC = model_spec("od_resnet18", **SMALL_RESNET)
LOSS = {"criterion.weight": indexed((5,)), "criterion.inner.bias": indexed((2,))}


@pytest.fixture
def source(tmp_path):
    """A model beside its loss, as Lightning saves them."""
    arrays = {f"model.{name}": array for name, array in arrays_of(SPEC).items()}
    return write(tmp_path / "a.pth", arrays | LOSS)


def test_without_it_the_file_is_refused_and_the_advice_names_it(source):
    with pytest.raises(MismatchError, match=r"others do not: criterion\.inner\.bias") as error:
        open_model(source)
    assert error.value.help.endswith("Leave those out, such as by --ignore 'criterion.*'")


@pytest.mark.parametrize("ignore", ["criterion.*", ["criterion.weight", "*.inner.bias"]])
def test_convert(source, tmp_path, ignore):
    report = convert(Request(source, ignore=ignore), tmp_path / "b.pth")
    assert_same(loaded(open_model(tmp_path / "b.pth")), arrays_of(SPEC))
    assert {remark.name for remark in report.dropped} == set(LOSS)
    assert all("left out by --ignore" in remark.reason for remark in report.dropped)
    for text in (str(report), html_report(report), json.dumps(report.to_dict())):
        assert all(name in text for name in LOSS)
    told = Provenance.told_by(open_model(tmp_path / "b.pth").source)
    assert set(told.dropped) == set(LOSS)


def test_every_command(source, tmp_path, capsys):
    plain = str(save(tmp_path / "p.pth", SPEC, arrays_of(SPEC)))
    words = ["--ignore", "criterion.weight", "--ignore", "criterion.inner.*"]
    for command in (
        ["inspect", str(source)],
        ["convert", str(source), str(tmp_path / "b.safetensors")],
        ["verify", str(source), plain],
        ["verify", plain, str(source)],
        ["diff", str(source), plain],
    ):
        assert main([*command, *words]) == 0, command
        out = capsys.readouterr().out
        assert "model   not found" not in out and "by the names" not in out


def test_every_function(source, tmp_path):
    plain = save(tmp_path / "p.pth", SPEC, arrays_of(SPEC))
    assert inspect(Request(source, ignore="criterion.*")).spec == SPEC
    assert verify(Request(source, ignore="criterion.*"), plain).equal
    assert not diff(plain, Request(source, ignore="criterion.*")).different
    convert(plain, tmp_path / "b.npz")
    with pytest.raises(UsageError):
        verify_digests(Request(tmp_path / "b.npz", ignore="criterion.*"))


def test_a_pattern_that_fits_nothing(source, tmp_path, capsys):
    """It may have a slip of the pen, which must not look as if it had been obeyed."""
    words = ["convert", str(source), str(tmp_path / "b.pth"), "--ignore", "criterio.*"]
    assert main(words) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: --ignore criterio.* fits no array of a.pth\nhelp: the names are")
    with pytest.raises(UsageError, match=r"fits no array of a\.pth and a\.pth"):
        verify(*(Request(source, ignore=["criterion.*", "loss.*"]),) * 2)


def test_two_patterns_may_fit_one_array(source):
    weights = open_model(Request(source, ignore=["criterion.*", "*.inner.*"]))
    assert weights.source.left_out.keys() == LOSS.keys()


def test_an_array_of_the_model_is_missed(source):
    with pytest.raises(MismatchError, match=r"1 missing(?s:.*)fc\.bias"):
        open_model(Request(source, SPEC, ignore=["criterion.*", "model.fc.bias"]))


def test_patterns_tell_capitals_apart(tmp_path):
    arrays = arrays_of(SPEC) | {"Loss": np.float32([1])}
    with pytest.raises(UsageError):
        open_model(Request(write(tmp_path / "x.pth", arrays), SPEC, ignore="loss"))


def test_the_advice_where_all_arrays_of_the_model_are_there(tmp_path):
    path = write(tmp_path / "x.pth", arrays_of(SPEC) | LOSS)
    with pytest.raises(MismatchError, match=r"2 unexpected in x\.pth") as error:
        open_model(path)
    assert error.value.help.endswith("such as by --ignore 'criterion.*'")
    assert open_model(Request(path, ignore="criterion.*")).spec == SPEC
