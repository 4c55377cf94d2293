"""Backbones without a classifier: those of no classes, and what `features_only=True` saves."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from odconv.main import main
from odconv_spec import model_spec, to_json
from parity_tests.outputs.verify import verify_outputs
from tests.converter.helpers import ENDINGS, SMALL_MOBILENET, SMALL_RESNET, arrays_of
from tests.converter.wild import assert_same, loaded, write
from tests.quick import quick_rows
from weights_converter import MismatchError, Request, UsageError, convert, diff, verify
from weights_converter.comparison.verify import verify_digests
from weights_converter.identify.backbones import describe
from weights_converter.identify.open_model import open_model

SPECS = {
    "od_resnet18": model_spec("od_resnet18", kernel_num=2, **SMALL_RESNET),
    "resnet50": model_spec("resnet50", **SMALL_RESNET),
    "dy_resnet18": model_spec("dy_resnet18", **SMALL_RESNET),
    "cond_resnet18": model_spec("cond_resnet18", kernel_num=3, **SMALL_RESNET),
    "od_mobilenetv2_050": model_spec("od_mobilenetv2_050"),
    "cond_mobilenetv2_050": model_spec("cond_mobilenetv2_050"),
}


def body(spec, *parts):
    """The arrays of the network that are in none of the parts."""
    return {n: a for n, a in arrays_of(spec).items() if not n.startswith(parts)}


HEADS = ("fc.", "classifier.")
CASES = [(name, HEADS) for name in SPECS]
CASES += [(name, (*HEADS, "features.18.")) for name in SPECS if "mobile" in name]


def known_as(name, parts):
    """What stands behind the name: all but the classifier is a network that can be run."""
    if parts != HEADS:
        return f"without a head ({len(body(SPECS[name], *parts))} arrays)"
    kernels = dict(SPECS[name].conv.options).get("kernel_num")
    return f"({'' if kernels is None else f'kernel_num={kernels}, '}without a head)"


@pytest.mark.parametrize(
    ("case", "wrapper"),
    quick_rows(
        [*((case, "") for case in CASES), (CASES[0], "backbone."), (CASES[-1], "module.")],
        product(CASES, ("", "backbone.", "module.")),
    ),
)
def test_it_is_known_by_its_arrays(tmp_path, case, wrapper):
    name, parts = case
    arrays = body(SPECS[name], *parts)
    path = write(tmp_path / "x.pth", {f"{wrapper}{n}": array for n, array in arrays.items()})
    weights = open_model(path)
    assert describe(weights.spec) == f"{SPECS[name].name} {known_as(name, parts)}"
    assert_same(loaded(weights), arrays)


@pytest.mark.parametrize("ending", [*ENDINGS, ".npz"])
def test_it_converts_as_what_it_is(tmp_path, ending, capsys):
    arrays = body(SPECS["od_resnet18"], *HEADS)
    source, target = write(tmp_path / "a.pth", arrays), tmp_path / f"b{ending}"
    assert main(["convert", str(source), str(target)]) == 0
    text = "model   od_resnet_custom (kernel_num=2, without a head)"
    assert text in capsys.readouterr().out
    assert main(["inspect", str(target)]) == 0 and text in capsys.readouterr().out
    assert_same(loaded(open_model(target)), arrays)
    assert verify(source, target).equal and verify_digests(target).equal
    assert not diff(source, target).different
    convert(target, tmp_path / "c.safetensors", dtype="float64")
    assert {t.dtype for t in open_model(tmp_path / "c.safetensors").tensors.values()} == {"F64"}


def test_one_that_ends_before_its_last_map_cannot_be_run(tmp_path):
    source = write(tmp_path / "a.pth", body(SPECS["od_mobilenetv2_050"], *HEADS, "features.18."))
    with pytest.raises(UsageError, match=r"without a head .* cannot be run"):
        verify_outputs(source, source)


def test_a_model_or_a_table_that_is_asked_for(tmp_path):
    path = write(tmp_path / "a.pth", body(model_spec("od_resnet18"), *HEADS))
    assert open_model(Request(path, "od_resnet18")).spec == model_spec("od_resnet18", num_classes=0)
    with pytest.raises(MismatchError, match="you asked for od_resnet34"):
        open_model(Request(path, "od_resnet34"))
    spec = model_spec("od_mobilenetv2_100", **SMALL_MOBILENET)
    path = write(tmp_path / "b.pth", arrays := body(spec, *HEADS))
    with pytest.raises(MismatchError, match="stage table"):
        open_model(path)
    found = open_model(Request(path, stages=SMALL_MOBILENET["stages"]))
    assert_same(loaded(found), arrays)


def test_a_spec_of_no_classes_is_what_it_is(tmp_path, capsys):
    spec = replace(SPECS["od_resnet18"], num_classes=0, global_pool="max")
    (json := tmp_path / "spec.json").write_text(to_json(spec))
    arrays = arrays_of(spec)
    source, target = write(tmp_path / "a.pth", arrays), tmp_path / "b.pdparams"
    convert(Request(source, json), target)
    assert open_model(target).spec == spec  # no array shows the pooling, the metadata tell it
    assert_same(loaded(open_model(target)), arrays)
    assert verify(source, target).equal and verify(target, source).equal
    assert main(["inspect", str(target)]) == 0
    assert "without a head" in capsys.readouterr().out


@pytest.mark.parametrize(("held", "asked"), [(0, 7), (7, 0), (7, 5)])
def test_classes_that_contradict_the_file(tmp_path, held, asked):
    file, model = (
        model_spec("od_resnet18", **SMALL_RESNET | {"num_classes": count})
        for count in (held, asked)
    )
    path = write(tmp_path / "a.pth", arrays_of(file))
    shown = f"num_classes={held}" + (r" \(fc\.weight \(7, \d+\)\)" if held else "")
    message = rf"a\.pth is od_resnet_custom with {shown}; you asked for num_classes={asked}"
    with pytest.raises(MismatchError, match=message):
        open_model(Request(path, model))


@pytest.mark.slow
def test_the_outputs_of_one_in_every_runtime(tmp_path):
    spec = replace(SPECS["od_resnet18"], num_classes=0, global_pool="")
    path = write(tmp_path / "a.pth", arrays_of(spec))
    found = verify_outputs(Request(path, spec))
    assert len(found) == 4
    for runtime in found:
        assert runtime.equal and runtime.layers[-1].layer == "(output)"


@pytest.mark.parametrize(
    "lost", ["fc.weight", "fc.bias", "layer1.0.bn2.bias", "layer2.1.conv1.weight", "bn1.weight"]
)
def test_a_broken_file_is_no_body(tmp_path, lost):
    arrays = arrays_of(SPECS["od_resnet18"])
    del arrays[lost]
    if not lost.startswith("fc."):
        arrays = {name: array for name, array in arrays.items() if not name.startswith("fc.")}
    with pytest.raises(MismatchError, match=lost.replace(".", r"\.")):
        open_model(write(tmp_path / "x.pth", arrays))


def test_another_head_is_no_part_of_a_body(tmp_path):
    arrays = body(SPECS["resnet50"], *HEADS)
    path = write(tmp_path / "x.pth", {**arrays, "head.weight": np.ones((3, 4), np.float32)})
    with pytest.raises(MismatchError, match=r"unexpected  head\.weight") as error:
        open_model(path)
    assert "--ignore" in error.value.help
    assert_same(loaded(open_model(Request(path, ignore="head.*"))), arrays)
