"""Parts of names that wrappers add: taken off wherever they stand, and only where they are none."""

from __future__ import annotations

import numpy as np
import pytest

from odconv_spec import ODConvSpec, model_spec
from parity_tests.reference import random_arrays
from tests.converter.helpers import SMALL_RESNET, arrays_of
from tests.converter.wild import assert_same, indexed, loaded, write
from weights_converter import MismatchError
from weights_converter.identify.manifest import Manifest
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request
from weights_converter.names.wrappers import WRAPPERS

SPEC = model_spec("od_resnet18", **SMALL_RESNET)


def inside(name, parts):
    """The name with a part after each of its owners, in turns."""
    *owners, leaf = name.split(".")
    for place in range(len(owners), 0, -1):
        owners.insert(place, parts[place % len(parts)])
    return ".".join([*owners, leaf])


@pytest.mark.parametrize("part", WRAPPERS)
def test_a_part_anywhere_in_a_name(tmp_path, part):
    arrays = arrays_of(SPEC)
    wild = {
        name.replace("layer1.0.", f"layer1.0.{part}.").replace("layer2", f"layer2.{part}"): array
        for name, array in arrays.items()
    }
    weights = open_model(write(tmp_path / "x.pth", wild))
    assert weights.spec == SPEC
    assert_same(loaded(weights), arrays)
    [note] = weights.source.notes
    changed = len(wild.keys() - arrays.keys())
    assert note == (f"stripped '{part}.' from {changed} of {len(arrays)} names: {WRAPPERS[part]}")


@pytest.mark.parametrize("model", [None, SPEC], ids=["found out", "given"])
@pytest.mark.parametrize("front", ["", "module.", "module.model._orig_mod.", "model.module.net."])
def test_any_mixture(tmp_path, front, model):
    arrays = arrays_of(SPEC)
    wild = {front + inside(name, list(WRAPPERS)): array for name, array in arrays.items()}
    weights = open_model(Request(write(tmp_path / "x.pth", wild), model))
    assert_same(loaded(weights), arrays)


def own_network(*paths):
    spec = ODConvSpec(in_channels=4, out_channels=6, kernel_size=3)
    parameters = tuple(p.under(path) for path in paths for p in spec.parameters())
    return Manifest("Net", parameters, {}), random_arrays(parameters, 0, "float32")


@pytest.mark.parametrize(
    "wrap",
    [
        "{name}",
        "module.{name}",
        "module.module.{name}",
        "module._orig_mod.{name}",
        "model.{name}",
        "module.model.{name}",
    ],
)
@pytest.mark.parametrize("paths", [("module.0", "module.1"), ("a.module.conv", "module", "b.c")])
def test_a_child_that_is_called_like_a_wrapper(tmp_path, paths, wrap):
    manifest, arrays = own_network(*paths)
    wild = {wrap.format(name=name): array for name, array in arrays.items()}
    assert_same(loaded(open_model(Request(write(tmp_path / "x.pth", wild), manifest))), arrays)


def test_a_layer_beside_one_of_the_same_name_in_a_module(tmp_path):
    manifest, arrays = own_network("a", "a.module")
    wild = {f"module.{name}": array for name, array in arrays.items()}
    assert_same(loaded(open_model(Request(write(tmp_path / "x.pth", wild), manifest))), arrays)


@pytest.mark.parametrize("model", [None, SPEC], ids=["found out", "given"])
def test_two_names_of_one_array(tmp_path, model):
    arrays = arrays_of(SPEC)
    wild = {f"module.{name}": array for name, array in arrays.items()}
    equal = wild | {"bn1.weight": arrays["bn1.weight"]}
    weights = open_model(Request(write(tmp_path / "x.pth", equal), model))
    assert_same(loaded(weights), arrays)
    assert "bn1.weight is equal to module.bn1.weight, which was taken" in weights.source.notes
    differing = wild | {"bn1.weight": np.nextafter(arrays["bn1.weight"], np.float32(9))}
    with pytest.raises(MismatchError) as error:
        open_model(Request(write(tmp_path / "y.pth", differing), model))
    assert str(error.value) == (
        "y.pth: module.bn1.weight and bn1.weight both stand for bn1.weight, and differ"
    )
    assert error.value.help == "leave one of them out, such as by --ignore bn1.weight"
    weights = open_model(Request(tmp_path / "y.pth", model, ignore="bn1.weight"))
    assert_same(loaded(weights), arrays)


def test_what_is_left_over_is_still_an_error(tmp_path):
    arrays = arrays_of(SPEC)
    wild = {f"module.{n}": a for n, a in arrays.items()} | {"module.extra.weight": indexed((3,))}
    with pytest.raises(MismatchError, match=r"1 unexpected in x\.pth"):
        open_model(Request(write(tmp_path / "x.pth", wild), SPEC))


def test_names_of_tensorflow_keep_their_parts(tmp_path):
    """`_layers` there is an attribute of Keras, and no wrapper."""
    manifest, arrays = own_network("_layers.0", "b")
    assert_same(loaded(open_model(Request(write(tmp_path / "x.pth", arrays), manifest))), arrays)
