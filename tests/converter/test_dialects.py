"""Names in the wild: every rule there and back, and every array of each code in its place."""

from __future__ import annotations

import numpy as np
import pytest

from odconv_spec import CondConvSpec, ODConvSpec, model_spec
from parity_tests.reference import random_arrays
from tests.converter.helpers import SMALL_RESNET, arrays_of
from tests.converter.wild import assert_same, indexed, loaded, write
from weights_converter import MismatchError, convert
from weights_converter.identify.manifest import Manifest
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request
from weights_converter.names.dialect_tables import D_LI14, DIALECTS, MMDETECTION, TIMM

COND = model_spec("cond_mobilenetv2_100", kernel_num=3, num_classes=7)


# Of https://github.com/d-li14/condconv.pytorch, written down from its code.
D_LI14_NAMES = {
    "features.0.0.weight": "features.0.0.weight",
    "features.1.dw.weight": "features.1.conv.0.0.weight",
    "features.1.bn_dw.running_var": "features.1.conv.0.1.running_var",
    "features.1.pw_linear.weight": "features.1.conv.1.weight",
    "features.1.bn_pw_linear.bias": "features.1.conv.2.bias",
    "features.12.pw.weight": "features.12.conv.0.0.weight",
    "features.12.bn_pw.num_batches_tracked": "features.12.conv.0.1.num_batches_tracked",
    "features.12.dw.weight": "features.12.conv.1.0.weight",
    "features.12.bn_dw.weight": "features.12.conv.1.1.weight",
    "features.12.pw_linear.weight": "features.12.conv.2.weight",
    "features.12.bn_pw_linear.running_mean": "features.12.conv.3.running_mean",
    "features.12.route.fc.bias": "features.12.routing.bias",
    "conv.0.weight": "features.18.0.weight",
    "conv.1.running_mean": "features.18.1.running_mean",
    "classifier_route.fc.weight": "classifier.1.routing.weight",
    "classifier.weight": "classifier.1.weight",
}


@pytest.mark.parametrize(("wild", "canonical"), D_LI14_NAMES.items())
def test_names_of_d_li14(wild, canonical):
    assert D_LI14.canonical(wild) == canonical
    assert D_LI14.wild(canonical) == wild


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda dialect: dialect.signs[0])
def test_every_rule_there_and_back(dialect):
    fills = {"path": "a.b.", "n": "7", "leaf": "weight", "rest": "layer1.0.bn1.bias"}
    assert dialect.rules
    for rule in dialect.rules:
        wild, canonical = rule.wild.format(**fills), rule.canonical.format(**fills)
        assert rule.read(wild) == canonical
        assert rule.write(canonical) == (None if rule.alias else wild)


@pytest.mark.parametrize("dialect", [MMDETECTION, D_LI14, TIMM], ids=lambda d: d.signs[0])
def test_every_name_of_a_backbone_there_and_back(dialect):
    names = [p.name for p in COND.parameters()]
    wild = [dialect.wild(name) for name in names]
    assert len(set(wild)) == len(names)
    assert [dialect.canonical(name) for name in wild] == names
    assert dialect.spoken(wild)


def test_a_whole_network_of_d_li14(tmp_path):
    arrays = arrays_of(COND)
    del arrays["classifier.1.bias"]  # the code has none
    path = write(tmp_path / "x.pth", {D_LI14.wild(n): a for n, a in arrays.items()})
    weights = open_model(path)
    assert weights.spec == COND
    assert_same(loaded(weights), arrays | {"classifier.1.bias": np.zeros(7, np.float32)})
    assert weights.source.notes == (
        "its names are those of https://github.com/d-li14/condconv.pytorch",
        "classifier.1.bias, which the file does not have, is 0",
    )
    convert(path, tmp_path / "y.weights.h5")
    assert_same(loaded(open_model(tmp_path / "y.weights.h5")), loaded(weights))


@pytest.mark.parametrize("shared", ["route", "routing"])
def test_layers_of_d_li14_in_a_network_of_ones_own(tmp_path, shared):
    conv = CondConvSpec(in_channels=4, out_channels=6, kernel_size=3, router="shared")
    parameters = [p.under("block.pw") for p in conv.parameters()]
    parameters += [p.under(f"block.{shared}") for p in conv.routing().parameters()]
    arrays = random_arrays(parameters, 0, "float32")
    wild = {n.replace(f".{shared}.", ".route.fc."): a for n, a in arrays.items()}
    path = write(tmp_path / "x.pth", wild)
    weights = open_model(Request(path, Manifest("Net", tuple(parameters), {})))
    assert_same(loaded(weights), arrays)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "net.", "module._orig_mod."])
def test_prefixes_of_wrappers(tmp_path, prefix):
    spec = model_spec("od_resnet18", **SMALL_RESNET)
    arrays = arrays_of(spec)
    path = write(tmp_path / "x.pth", {f"{prefix}{n}": a for n, a in arrays.items()})
    weights = open_model(path)
    assert weights.spec == spec
    assert_same(loaded(weights), arrays)
    assert all(any(part in note for note in weights.source.notes) for part in prefix.split("."))


@pytest.mark.parametrize("model", [None, model_spec("od_resnet18", **SMALL_RESNET)])
def test_a_prefix_on_some_names_only(tmp_path, model):
    arrays = arrays_of(model_spec("od_resnet18", **SMALL_RESNET))
    wild = {f"net.{n}": a for n, a in arrays.items()} | {"criterion.weight": indexed((5,))}
    with pytest.raises(MismatchError) as error:
        open_model(Request(write(tmp_path / "x.pth", wild), model))
    count = len(arrays)
    assert str(error.value) == (
        f"x.pth: {count} of {count + 1} names start with 'net.' (a module around the model, such "
        "as Lightning's), others do not: criterion.weight"
    )
    assert "were two state dicts merged" in error.value.help


def test_an_attribute_that_is_called_like_a_prefix(tmp_path):
    spec = ODConvSpec(in_channels=4, out_channels=6, kernel_size=3)
    parameters = tuple(p.under("net.0") for p in spec.parameters())
    arrays = random_arrays(parameters, 0, "float32")
    manifest = Manifest("Net", parameters, {})
    assert_same(loaded(open_model(Request(write(tmp_path / "a.pth", arrays), manifest))), arrays)
    wrapped = {f"model.{name}": array for name, array in arrays.items()}
    assert_same(loaded(open_model(Request(write(tmp_path / "b.pth", wrapped), manifest))), arrays)


def test_the_backbone_of_a_detector(tmp_path):
    spec = model_spec("od_resnet50", kernel_num=2, stages=[[8, 1], [12, 2]], num_classes=5)
    arrays = arrays_of(spec)
    wild = {f"backbone.{n}": a for n, a in arrays.items()} | {
        "neck.lateral_convs.0.conv.weight": indexed((2, 2, 1, 1)),
        "rpn_head.rpn_conv.bias": indexed((2,)),
        "roi_head.bbox_head.fc_cls.weight": indexed((3, 4)),
    }
    weights = open_model(write(tmp_path / "x.pth", wild))
    assert weights.spec == spec
    assert_same(loaded(weights), arrays)
    assert weights.source.notes[-1] == "left out 3 arrays of neck, roi_head, rpn_head"


def test_a_detector_of_ones_own_keeps_its_names(tmp_path):
    spec = ODConvSpec(in_channels=4, out_channels=6, kernel_size=3)
    parameters = (*(p.under(part) for part in ("backbone", "neck") for p in spec.parameters()),)
    arrays = random_arrays(parameters, 0, "float32")
    path = write(tmp_path / "x.pth", {f"net.{name}": array for name, array in arrays.items()})
    assert_same(loaded(open_model(Request(path, Manifest("Detector", parameters, {})))), arrays)


def test_a_detector_with_parts_that_are_not_known(tmp_path):
    wild = {"backbone.conv1.weight": indexed((8, 3, 7, 7)), "semantic.weight": indexed((2,))}
    with pytest.raises(MismatchError, match=r"1 arrays are of no part.*semantic\.weight") as error:
        open_model(write(tmp_path / "x.pth", wild))
    assert "neck, rpn_head" in error.value.help


def test_two_names_for_one_array(tmp_path):
    wild = {
        "a.route.fc.weight": indexed((2, 4)),
        "a.routing.weight": indexed((2, 4)),
        "classifier.weight": indexed((2, 7, 4, 1, 1)),
    }
    with pytest.raises(MismatchError, match=r"a\.route\.fc\.weight and a\.routing\.weight both"):
        open_model(write(tmp_path / "x.pth", wild))
