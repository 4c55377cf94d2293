"""Checkpoints for models with another head, and for bodies."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from odconv_spec import ODConvSpec, model_spec
from parity_tests.reference import random_arrays
from tests.frameworks.test_loading import stored
from weights_converter import MismatchError, Request, UsageError, extract, formats, load_into
from weights_converter.arrays.tensor import Tensor
from weights_converter.names.companions import companions
from weights_converter.names.layouts import LAYOUTS


def each(usual, rest):
    """All cases, of which those that are not usual are for the slow run."""
    slow = [case for case in rest if case not in usual]
    values = [case if isinstance(case, tuple) else (case,) for case in slow]
    return [*usual, *(pytest.param(*case, marks=pytest.mark.slow) for case in values)]


SMALL = {"stages": [[8, 1], [12, 1]], "stem_channels": 8}
SPECS = {
    "od_resnet18": model_spec("od_resnet18", kernel_num=2, num_classes=8, **SMALL),
    "cond_resnet18": model_spec("cond_resnet18", kernel_num=2, num_classes=8, **SMALL),
    "od_mobilenetv2": model_spec(
        "od_mobilenetv2_050", num_classes=8, stages=[[1, 16, 1, 1], [3, 24, 2, 2]]
    ),
}
OD = SPECS["od_resnet18"]
LAYOUT_OF = {".pdparams": "paddle", ".weights.h5": "keras"}


def in_head(name):
    return name.startswith(("fc.", "classifier."))


def of_file(spec):
    """The arrays of the file that `stored` writes."""
    return random_arrays(spec.parameters(), 1, "float32")


def same(model, expected):
    """Whether the model's arrays are the expected ones, bit for bit; those of its head are not."""
    found = {name: array for name, array in extract(model).items() if not in_head(name)}
    assert found and all(array.tobytes() == expected[n].tobytes() for n, array in found.items())


def bits(model):
    return {name: array.tobytes() for name, array in extract(model).items()}


@pytest.mark.parametrize(
    ("name", "classes"),
    each(
        [("od_resnet18", 3), ("cond_resnet18", 0), ("od_mobilenetv2", 8)],
        product(SPECS, (3, 8, 0)),
    ),
)
def test_the_head_stays_and_all_else_is_loaded(kit, tmp_path, name, classes):
    spec = SPECS[name]
    model = kit.build(replace(spec, num_classes=classes), dtype="float32")
    before = extract(model)
    path = stored(tmp_path / "a.pth", spec, ".pth")
    loaded = load_into(model, path, head="skip")
    same(model, of_file(spec))
    heads = {n: array for n, array in before.items() if in_head(n)}
    assert all(extract(model)[n].tobytes() == array.tobytes() for n, array in heads.items())
    assert loaded.skipped == tuple(heads) and set(heads) <= set(loaded.defaulted)
    of_the_file = {p.name for p in spec.head_parameters()}
    assert loaded.dropped == dict.fromkeys(
        of_the_file, "the head of the file of 8 classes, left out by head='skip'"
    )
    if classes != 8:
        with pytest.raises(MismatchError) as error:
            load_into(model, path)
        assert error.value.help.startswith("all but the head fits: head='skip'")


@pytest.mark.parametrize("ending", each([".weights.h5"], [".pth", ".pdparams", ".safetensors"]))
def test_a_file_without_a_head(kit, tmp_path, ending):
    bare = replace(OD, num_classes=0)
    path = stored(tmp_path / f"a{ending}", bare, ending)
    model = kit.build(OD, dtype="float32")
    loaded = load_into(model, path, head="skip")
    same(model, of_file(bare))
    assert set(loaded.skipped) == {"fc.weight", "fc.bias"} and not loaded.dropped
    headless = kit.build(bare, dtype="float32")
    assert load_into(headless, path).skipped == ()
    same(headless, of_file(bare))


@pytest.mark.parametrize(
    ("name", "out_indices"),
    each(
        [("od_resnet18", (1,)), ("cond_resnet18", (0,)), ("od_mobilenetv2", None)],
        product(SPECS, ((0,), (1,), (-1, 0), None)),
    ),
)
def test_a_body_takes_a_classifier(kit, tmp_path, name, out_indices):
    spec = SPECS[name]
    body = kit.package.Features(kit.build(spec, dtype="float32"), out_indices)
    beside = [(c.name, np.int64(7)) for c in companions(LAYOUTS["torch"], spec.parameters())]
    loaded = load_into(body, stored(tmp_path / "a.pth", spec, ".pth", beside), head="skip")
    same(body, of_file(spec))
    behind = {p.name for p in spec.parameters()} - set(extract(body))
    assert behind <= set(loaded.dropped) and loaded.skipped == ()
    reasons = {loaded.dropped[n] for n in behind if not in_head(n)}
    assert reasons <= {"behind the last map of the body"}
    assert bool(reasons) == (
        len(spec.feature_info()) - 1 not in body.out_indices or name == "od_mobilenetv2"
    )


def detector(path, spec, ending, prefix, beside=("neck.conv.weight", "bbox_head.fc_cls.bias")):
    """A file that has the arrays of `spec` below a prefix, and others beside them."""
    layout = LAYOUTS[LAYOUT_OF.get(ending, "torch")]
    arrays = of_file(spec)
    tensors = [
        Tensor.of(f"{prefix}{layout.stored_name(p)}", layout.to_stored(p.role, arrays[p.name]))
        for p in spec.parameters()
    ]
    tensors += [Tensor.of(name, np.ones((2, 3), np.float32)) for name in beside]
    formats.write(path, formats.format_of(f"x{ending}"), tensors, {})
    return path


@pytest.mark.parametrize(
    ("ending", "prefix"),
    each(
        [(".pth", "module.backbone."), (".weights.h5", "backbone/")],
        [
            (".pth", "backbone."),
            (".pth", "model.detector.backbone.body."),
            (".pdparams", "backbone."),
            (".safetensors", "encoder."),
        ],
    ),
)
def test_a_body_is_found_in_a_detector(kit, tmp_path, ending, prefix):
    sep = prefix[-1]
    leaves = ("vars/0", "vars/1") if sep == "/" else ("weight", "bias")
    beside = [f"neck{sep}conv1{sep}{leaf}" for leaf in leaves] + [
        f"bbox_head{sep}fc{sep}{leaves[0]}"
    ]
    path = detector(tmp_path / f"a{ending}", OD, ending, prefix, beside)
    count, found = len(OD.parameters()), prefix.removeprefix("module.")
    for model in (
        kit.package.Features(kit.build(OD, dtype="float32"), (0, 1)),
        kit.package.Features(kit.build(OD, dtype="float32"), (0,)),  # as a block's first layers
        kit.build(replace(OD, num_classes=0), dtype="float32"),
    ):
        loaded = load_into(model, path, head="skip")
        same(model, of_file(OD))
        assert loaded.notes[0] == (
            f"took the {count} arrays below '{found}'; left out neck (2), bbox_head (1) beside them"
        )
        reasons = {loaded.dropped[name] for name in beside}
        assert reasons == {f"beside the network below '{found}'"}


def test_two_networks_that_fit(kit, tmp_path):
    arrays = of_file(OD)
    tensors = [
        Tensor.of(f"module.{network}.backbone.{name}", array * scale)
        for network, scale in (("student", np.float32(1)), ("teacher", np.float32(2)))
        for name, array in arrays.items()
    ]
    formats.write(tmp_path / "a.pth", "torch", tensors, {})
    body = kit.package.Features(kit.build(OD, dtype="float32"))
    before = bits(body)
    with pytest.raises(MismatchError, match=r"2 times: below student\.backbone\. \(") as error:
        load_into(body, tmp_path / "a.pth", head="skip")
    assert bits(body) == before
    assert "prefix='module.student.backbone'" in error.value.help
    teacher = Request(tmp_path / "a.pth", prefix="module.teacher.backbone")
    load_into(body, teacher, head="skip")
    same(body, {name: array * np.float32(2) for name, array in arrays.items()})


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (
            SPECS["od_mobilenetv2"],
            r"^a\.pth is of a MobileNetV2; the model is od_resnet_custom, a ResNet$",
        ),
        (
            model_spec("od_resnet18", kernel_num=4, num_classes=8, **SMALL),
            r"a\.pth is od_resnet_custom with kernel_num=4 \(.*; the model is kernel_num=2",
        ),
        (
            model_spec("od_resnet18", kernel_num=2, stages=[[8, 1], [16, 1]], stem_channels=8),
            r"22 of wrong shape in a\.pth",
        ),
    ],
)
def test_another_network_is_an_error(kit, tmp_path, file, message):
    path = stored(tmp_path / "a.pth", file, ".pth")
    for model in (
        kit.build(replace(OD, num_classes=3), dtype="float32"),
        kit.package.Features(kit.build(OD, dtype="float32"), (0,)),
    ):
        before = bits(model)
        with pytest.raises(MismatchError, match=message):
            load_into(model, path, head="skip")
        assert bits(model) == before


def test_a_layer_that_is_no_head_is_an_error(kit, tmp_path):
    beside = [("fc2.weight", np.ones((3, 8), np.float32))]
    path = stored(tmp_path / "a.pth", OD, ".pth", beside)
    with pytest.raises(MismatchError, match=r"unexpected  fc2\.weight"):
        load_into(kit.build(OD, dtype="float32"), path, head="skip")
    arrays = {p.name: p for p in OD.parameters() if p.name != "layer1.0.bn2.bias"}
    tensors = [Tensor.of(n, np.ones(p.shape, np.float32)) for n, p in arrays.items()]
    formats.write(tmp_path / "b.pth", "torch", tensors, {})
    with pytest.raises(MismatchError, match=r"missing     layer1\.0\.bn2\.bias"):
        load_into(kit.build(OD, dtype="float32"), tmp_path / "b.pth", head="skip")


def test_what_has_no_head(kit, tmp_path):
    spec = ODConvSpec(in_channels=6, out_channels=6, kernel_size=3)
    layer, path = kit.build(spec, dtype="float32"), stored(tmp_path / "a.pth", spec, ".pth")
    with pytest.raises(UsageError, match="head='skip': expected a backbone of create_model"):
        load_into(layer, path, head="skip")
    with pytest.raises(UsageError, match="head: expected 'strict' or 'skip', received 'ignore'"):
        load_into(layer, path, head="ignore")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["od_resnet18", "od_mobilenetv2_100"])
def test_a_published_network_and_its_body(kit, tmp_path, name):
    """All arrays but the head, from a file of 1000 classes and out of a detector's."""
    spec = model_spec(name)
    path = stored(tmp_path / "a.pth", spec, ".pth")
    model = kit.build(replace(spec, num_classes=3), dtype="float32")
    loaded = load_into(model, path, head="skip")
    same(model, of_file(spec))
    assert len(loaded.dropped) == len(loaded.skipped) == 2
    body = kit.package.Features(kit.build(spec, dtype="float32"))
    load_into(body, detector(tmp_path / "b.pth", spec, ".pth", "backbone."), head="skip")
    same(body, of_file(spec))
