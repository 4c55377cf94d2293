"""Names in the wild: every rule there and back, and every array of each code in its place."""

from __future__ import annotations

import numpy as np
import pytest

from odconv_spec import CondConvSpec, DyConvSpec, ODConvSpec, model_spec
from parity_tests.reference import random_arrays
from tests.converter.helpers import SMALL_RESNET, arrays_of
from weights_converter import MismatchError, convert, formats
from weights_converter.companions import companions
from weights_converter.dialects_tables import D_LI14, DIALECTS, MMDETECTION, TENSORFLOW_TPU, TIMM
from weights_converter.layouts import LAYOUTS, TENSORFLOW, TORCH
from weights_converter.manifest import Manifest
from weights_converter.tensor import Checkpoint, Tensor
from weights_converter.weights import open_weights, temperature_of, weights_in

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


def indexed(shape, start=0):
    """Every element is another number."""
    return np.arange(start, start + np.prod(shape), dtype=np.float32).reshape(shape)


def write(path, arrays):
    formats.write(path, "torch", [Tensor.of(n, a) for n, a in arrays.items()], {})
    return path


def loaded(weights):
    return {name: tensor.load() for name, tensor in weights.tensors.items()}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].tobytes() == array.tobytes(), name
        assert found[name].shape == array.shape


@pytest.mark.parametrize(("wild", "canonical"), D_LI14_NAMES.items())
def test_names_of_d_li14(wild, canonical):
    assert D_LI14.canonical(wild) == canonical
    assert D_LI14.wild(canonical) == wild


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.signs[0])
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
    weights = open_weights(path)
    assert weights.spec == COND
    assert_same(loaded(weights), arrays | {"classifier.1.bias": np.zeros(7, np.float32)})
    assert weights.source.notes == (
        "its names are those of https://github.com/d-li14/condconv.pytorch",
        "classifier.1.bias, which the file does not have, is 0",
    )
    convert(path, tmp_path / "y.weights.h5")
    assert_same(loaded(open_weights(tmp_path / "y.weights.h5")), loaded(weights))


@pytest.mark.parametrize("shared", ["route", "routing"])
def test_layers_of_d_li14_in_a_network_of_ones_own(tmp_path, shared):
    conv = CondConvSpec(in_channels=4, out_channels=6, kernel_size=3, router="shared")
    parameters = [p.under("block.pw") for p in conv.parameters()]
    parameters += [p.under(f"block.{shared}") for p in conv.routing().parameters()]
    arrays = random_arrays(parameters, 0, "float32")
    wild = {n.replace(f".{shared}.", ".route.fc."): a for n, a in arrays.items()}
    path = write(tmp_path / "x.pth", wild)
    weights = open_weights(path, Manifest("Net", tuple(parameters), {}))
    assert_same(loaded(weights), arrays)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "net.", "net._orig_mod."])
def test_prefixes_of_wrappers(tmp_path, prefix):
    spec = model_spec("od_resnet18", **SMALL_RESNET)
    arrays = arrays_of(spec)
    path = write(tmp_path / "x.pth", {f"{prefix}{n}": a for n, a in arrays.items()})
    weights = open_weights(path)
    assert weights.spec == spec
    assert_same(loaded(weights), arrays)
    assert all(any(part in note for note in weights.source.notes) for part in prefix.split("."))


@pytest.mark.parametrize("model", [None, model_spec("od_resnet18", **SMALL_RESNET)])
def test_a_prefix_on_some_names_only(tmp_path, model):
    arrays = arrays_of(model_spec("od_resnet18", **SMALL_RESNET))
    wild = {f"net.{n}": a for n, a in arrays.items()} | {"criterion.weight": indexed((5,))}
    with pytest.raises(MismatchError) as error:
        open_weights(write(tmp_path / "x.pth", wild), model)
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
    assert_same(loaded(open_weights(write(tmp_path / "a.pth", arrays), manifest)), arrays)
    wrapped = {f"model.{name}": array for name, array in arrays.items()}
    assert_same(loaded(open_weights(write(tmp_path / "b.pth", wrapped), manifest)), arrays)


def test_the_backbone_of_a_detector(tmp_path):
    spec = model_spec("od_resnet50", kernel_num=2, stages=[[8, 1], [12, 2]], num_classes=5)
    arrays = arrays_of(spec)
    wild = {f"backbone.{n}": a for n, a in arrays.items()} | {
        "neck.lateral_convs.0.conv.weight": indexed((2, 2, 1, 1)),
        "rpn_head.rpn_conv.bias": indexed((2,)),
        "roi_head.bbox_head.fc_cls.weight": indexed((3, 4)),
    }
    weights = open_weights(write(tmp_path / "x.pth", wild))
    assert weights.spec == spec
    assert_same(loaded(weights), arrays)
    assert weights.source.notes[-1] == "left out 3 arrays of neck, roi_head, rpn_head"


def test_a_detector_of_ones_own_keeps_its_names(tmp_path):
    spec = ODConvSpec(in_channels=4, out_channels=6, kernel_size=3)
    parameters = (*(p.under(part) for part in ("backbone", "neck") for p in spec.parameters()),)
    arrays = random_arrays(parameters, 0, "float32")
    path = write(tmp_path / "x.pth", {f"net.{name}": array for name, array in arrays.items()})
    assert_same(loaded(open_weights(path, Manifest("Detector", parameters, {}))), arrays)


def test_a_detector_with_parts_that_are_not_known(tmp_path):
    wild = {"backbone.conv1.weight": indexed((8, 3, 7, 7)), "semantic.weight": indexed((2,))}
    with pytest.raises(MismatchError, match=r"1 arrays are of no part.*semantic\.weight") as error:
        open_weights(write(tmp_path / "x.pth", wild))
    assert "neck, rpn_head" in error.value.help


def test_two_names_for_one_array(tmp_path):
    wild = {
        "a.route.fc.weight": indexed((2, 4)),
        "a.routing.weight": indexed((2, 4)),
        "classifier.weight": indexed((2, 7, 4, 1, 1)),
    }
    with pytest.raises(MismatchError, match=r"a\.route\.fc\.weight and a\.routing\.weight both"):
        open_weights(write(tmp_path / "x.pth", wild))


# No two axes are equal but those of the depthwise bank, whose second axis is one.
BANKS = {
    "1d": CondConvSpec(in_channels=4, out_channels=6, kernel_size=5, rank=1, kernel_num=3),
    "2d": CondConvSpec(in_channels=4, out_channels=6, kernel_size=(2, 5), kernel_num=3),
    "grouped": CondConvSpec(in_channels=8, out_channels=6, kernel_size=(3, 5), groups=2),
    "depthwise": CondConvSpec(in_channels=6, out_channels=6, kernel_size=(3, 5), groups=6),
    "3d": CondConvSpec(in_channels=4, out_channels=6, kernel_size=(2, 3, 5), rank=3),
}


@pytest.mark.parametrize("layout", [TORCH, TENSORFLOW], ids=lambda layout: layout.name)
@pytest.mark.parametrize("spec", BANKS.values(), ids=BANKS)
def test_joined_axes_there_and_back(layout, spec):
    bank = spec.own_parameters()[0]
    array = indexed(bank.shape)
    flat = layout.to_flat(bank, array)
    assert flat.shape == layout.flat_shape(bank) == (bank.shape[0], array[0].size)
    assert layout.is_flat(bank, flat.shape) and not layout.is_flat(bank, bank.shape)
    assert flat.flags.c_contiguous
    np.testing.assert_array_equal(layout.from_flat(bank, flat), array)


def test_every_element_of_flattened_kernels():
    array = indexed((2, 3, 4, 5, 6))  # (expert, out, in, height, width)
    spec = CondConvSpec(in_channels=4, out_channels=3, kernel_size=(5, 6), kernel_num=2)
    bank = spec.own_parameters()[0]
    timm, tensorflow = TORCH.to_flat(bank, array), TENSORFLOW.to_flat(bank, array)
    for n, o, i, h, w in np.ndindex(2, 3, 4, 5, 6):
        assert timm[n, ((o * 4 + i) * 5 + h) * 6 + w] == array[n, o, i, h, w]
        assert tensorflow[n, ((h * 6 + w) * 4 + i) * 3 + o] == array[n, o, i, h, w]


def block(spec):
    """A convolution and its router beside it, as in timm and TensorFlow."""
    shared = CondConvSpec(**spec.options() | {"router": "shared", "bias": True}, rank=spec.rank)
    router = tuple(p.under("block.routing_fn") for p in spec.routing().parameters())
    return (*(p.under("block.conv") for p in shared.parameters()), *router)


@pytest.mark.parametrize("spec", BANKS.values(), ids=BANKS)
def test_flattened_kernels_of_timm(tmp_path, spec):
    parameters = block(spec)
    arrays = {p.name: indexed(p.shape, 1000 * i) for i, p in enumerate(parameters)}
    flat = TORCH.to_flat(parameters[0], arrays["block.conv.weight"])
    path = write(tmp_path / "x.pth", arrays | {"block.conv.weight": flat})
    assert_same(loaded(open_weights(path, Manifest("Net", parameters, {}))), arrays)


@pytest.mark.parametrize("leaf", ["condconv_kernel", "depthwise_condconv_kernel"])
@pytest.mark.parametrize("spec", BANKS.values(), ids=BANKS)
def test_flattened_kernels_of_tensorflow(tmp_path, spec, leaf):
    parameters = block(spec)
    arrays = {p.name: indexed(p.shape, 1000 * i) for i, p in enumerate(parameters)}
    layout = LAYOUTS["tensorflow"]
    wild = {
        layout.stored_name(p).replace(".", "/"): layout.to_stored(p.role, arrays[p.name])
        for p in parameters
    }
    del wild["block/conv/kernel"]
    wild["block/conv/condconv_bias"] = wild.pop("block/conv/bias")
    wild[f"block/conv/{leaf}"] = layout.to_flat(parameters[0], arrays["block.conv.weight"])
    weights = open_weights(write(tmp_path / "x.pth", wild), Manifest("Net", parameters, {}))
    assert_same(loaded(weights), arrays)
    assert weights.source.notes[-1] == f"its names are those of {TENSORFLOW_TPU.name}"


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("name", ["od_resnet18", "dy_resnet18", "cond_resnet18", "resnet50"])
def test_our_own_networks_by_the_names_of_tensorflow(tmp_path, name, known):
    spec = model_spec(name, **SMALL_RESNET)
    arrays = arrays_of(spec)
    layout = LAYOUTS["tensorflow"]
    named = {
        layout.stored_name(p): layout.to_stored(p.role, arrays[p.name]) for p in spec.parameters()
    }
    warm = {c.name: np.float32(3) for c in companions(layout, spec.parameters())}
    tensors = {f"net.{n}": Tensor.of(f"net.{n}", np.asarray(a)) for n, a in (named | warm).items()}
    checkpoint = Checkpoint(tmp_path / "x.index", "tensorflow", "keras", tensors)
    weights = weights_in(checkpoint, spec if known else None)
    assert weights.spec == spec
    assert_same(loaded(weights), arrays)
    assert weights.source.notes == ("stripped 'net.', its name",)
    assert temperature_of(weights) == (3 if warm else 1)
    assert bool(warm) == name.startswith(("od", "dy"))


def test_flattened_kernels_of_another_size(tmp_path):
    parameters = block(BANKS["2d"])
    arrays = {p.name: indexed(p.shape) for p in parameters} | {"block.conv.weight": indexed((3, 7))}
    with pytest.raises(MismatchError) as error:
        open_weights(write(tmp_path / "x.pth", arrays), Manifest("Net", parameters, {}))
    assert "block.conv.weight  expected (3, 240), found (3, 7)" in str(error.value)


DYCONVS = [
    DyConvSpec(in_channels=8, out_channels=6, kernel_size=3, rank=1, bias=True),
    DyConvSpec(in_channels=8, out_channels=6, kernel_size=(3, 5), hidden_rule="plus_one"),
    DyConvSpec(in_channels=3, out_channels=6, kernel_size=3, hidden_rule="plus_one", kernel_num=5),
    DyConvSpec(in_channels=8, out_channels=6, kernel_size=3, groups=2, fc1_bias=True),
    DyConvSpec(in_channels=8, out_channels=6, kernel_size=3, rank=3, fc2_bias=False, bias=True),
]


@pytest.mark.parametrize("spec", DYCONVS, ids=lambda spec: f"{spec.rank}d")
def test_a_lone_dyconv_tells_its_widths_and_biases(tmp_path, spec):
    arrays = random_arrays(spec.parameters(), 0, "float32")
    weights = open_weights(write(tmp_path / "x.pth", arrays))
    assert weights.spec.name == f"DyConv{spec.rank}d"
    assert weights.spec.parameters() == spec.parameters()
    assert_same(loaded(weights), arrays)
    convert(tmp_path / "x.pth", tmp_path / "y.weights.h5")
    assert_same(loaded(open_weights(tmp_path / "y.weights.h5")), arrays)


def test_a_network_of_the_circulating_dyconv(tmp_path):
    spec = model_spec("dy_resnet18", hidden_rule="plus_one", **SMALL_RESNET)
    weights = open_weights(write(tmp_path / "x.pth", arrays_of(spec)))
    assert weights.spec.conv.kind == "dy"
    assert weights.spec.parameters() == spec.parameters()
