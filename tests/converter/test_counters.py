"""Counters of tools beside the weights: taken out with a note, and only where they are counters."""

from __future__ import annotations

import numpy as np
import pytest

from odconv_spec import ODConvSpec, Parameter, Role, model_spec
from parity_tests.reference import random_arrays
from tests.converter.helpers import SMALL_RESNET, arrays_of
from tests.converter.wild import assert_same, indexed, loaded, write
from weights_converter import MismatchError, convert
from weights_converter.identify.manifest import Manifest
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request
from weights_converter.names.layouts import owner_of

SPEC = model_spec("od_resnet18", **SMALL_RESNET)
ZERO = np.zeros((), np.int64)


@pytest.mark.parametrize("front", ["", "model.", "_orig_mod.", "module."])
@pytest.mark.parametrize("counter", ["n_averaged", "steps"])
def test_averaged_models(tmp_path, counter, front):
    arrays = arrays_of(SPEC)
    wild = {f"{front}module.{name}": array for name, array in arrays.items()}
    path = write(tmp_path / "x.pth", wild | {f"{front}{counter}": ZERO})
    weights = open_model(path)
    assert_same(loaded(weights), arrays)
    assert list(weights.source.left_out) == [f"{front}{counter}"]
    assert any(f"left out {front}{counter}: how many models" in n for n in weights.source.notes)
    assert_same(loaded(open_model(Request(path, SPEC))), arrays)


@pytest.mark.parametrize("model", [None, SPEC], ids=["found out", "given"])
@pytest.mark.parametrize("front", ["", "module."])
def test_what_thop_leaves_at_every_module(tmp_path, front, model):
    arrays = arrays_of(SPEC)
    owners = {"", *map(owner_of, arrays)}
    names = [f"{o}.{leaf}".lstrip(".") for o in owners for leaf in ("total_ops", "total_params")]
    wild = {front + n: a for n, a in arrays.items()}
    wild |= {front + n: np.ones(1) for n in names}
    path = write(tmp_path / "x.pth", wild)
    report = convert(Request(path, model), tmp_path / "y.pdparams")
    assert {remark.name for remark in report.dropped} == {front + n for n in names}
    for leaf, what in (("total_ops", "operations"), ("total_params", "parameters")):
        note = f"left out {len(owners)} arrays {leaf}: a count of {what}, which thop leaves behind"
        assert note in report.notes
    assert_same(loaded(open_model(tmp_path / "y.pdparams")), arrays)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("n_averaged", ZERO),  # beside a model that is in no module
        ("steps", ZERO),
        ("layer1.total_ops", indexed((2,))),  # no scalar
    ],
)
def test_what_is_no_counter(tmp_path, name, array):
    path = write(tmp_path / "x.pth", arrays_of(SPEC) | {name: array})
    with pytest.raises(MismatchError, match=rf"1 unexpected in x\.pth(?s:.*){name}"):
        open_model(Request(path, SPEC))


def test_a_network_with_a_layer_of_such_a_name(tmp_path):
    spec = ODConvSpec(in_channels=4, out_channels=6, kernel_size=3)
    own = [Parameter(f"{owner}.weight", Role.NORM_SCALE, (1,)) for owner in ("steps", "n_averaged")]
    parameters = (*(p.under("module") for p in spec.parameters()), *own)
    arrays = random_arrays(parameters, 0, "float32")
    path = write(tmp_path / "x.pth", arrays)
    assert_same(loaded(open_model(Request(path, Manifest("Net", parameters, {})))), arrays)
