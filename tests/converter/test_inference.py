"""Which model a file holds, found out from names and shapes in every layout."""

from __future__ import annotations

import gzip
import json
from itertools import product
from pathlib import Path

import pytest

from odconv_spec import (
    ConvChoice,
    MobileNetV2Spec,
    ResNetSpec,
    from_dict,
    list_models,
    model_spec,
)
from tests.converter.helpers import ENDINGS, SMALL_MOBILENET, SMALL_RESNET, arrays_of, save
from tests.quick import quick_rows
from weights_converter import MismatchError, UsageError, inspect
from weights_converter.identify.backbones import describe, infer_spec
from weights_converter.identify.request import Request
from weights_converter.names.grammar import canonical_parameters
from weights_converter.names.layouts import KERAS, PADDLE, TORCH

GOLDEN = Path(__file__).parents[2] / "parity_tests" / "golden" / "official_names.json.gz"


LAYOUTS = (TORCH, PADDLE, KERAS)
OFFICIAL = json.loads(gzip.decompress(GOLDEN.read_bytes()))


OTHERS = [name for name in list_models() if name.startswith(("dy_", "cond_"))]


def spec_of(entry, **options):
    name, _, kernel_num = entry.partition("/")
    return model_spec(name, **options, **({"kernel_num": int(kernel_num)} if kernel_num else {}))


FEW = ("resnet18", "od_resnet50/2", "od_mobilenetv2_050/4", "dy_resnet18", "cond_mobilenetv2_050")


@pytest.mark.parametrize(
    ("entry", "layout"),
    quick_rows(
        [
            (entry, layout)
            for entry, layout in product((*OFFICIAL, *OTHERS), LAYOUTS)
            if layout is TORCH or entry in FEW
        ],
        product((*OFFICIAL, *OTHERS), LAYOUTS),
    ),
    ids=lambda value: getattr(value, "name", value),
)
def test_every_official_model_is_recognised_in_every_layout(entry, layout):
    spec = spec_of(entry, num_classes=7, in_channels=1)
    shapes = {
        layout.stored_name(p): layout.stored_shape(p.role, p.shape) for p in spec.parameters()
    }
    found = canonical_parameters(shapes, layout)
    assert set(found.values()) == set(spec.parameters())
    assert infer_spec({p.name: p.shape for p in found.values()}) == spec


@pytest.mark.parametrize(
    "spec",
    [
        model_spec("od_resnet18", reduction=0.25),
        model_spec("od_resnet34", reduction=1 / 32, min_channels=4),
        model_spec("od_mobilenetv2_050", kernel_num=3, min_channels=8),
        model_spec("od_resnet18", kernel_num=2, attentions=("spatial", "kernel")),
        model_spec("od_resnet18", attentions=("channel", "filter")),
        model_spec("od_resnet18", kernel_num=2, attention_sharing=False),
        model_spec("od_resnet50", norm="layer"),
        model_spec("od_mobilenetv2_100", norm="none"),
        model_spec("dy_resnet18", kernel_num=2, fc1_bias=True, fc2_bias=False),
        model_spec("dy_resnet18", hidden_rule="plus_one"),
        model_spec("dy_resnet50", reduction=0.125),
        model_spec("dy_resnet18", hidden_channels=5),
        ResNetSpec(block="bottleneck", stages=((8, 2), (24, 1)), stem_channels=12),
        ResNetSpec(conv=ConvChoice.of("od", kernel_num=2), stages=((16, 1),), stem_channels=16),
    ],
    ids=describe,
)
def test_options_are_recognised(spec):
    found = infer_spec({p.name: p.shape for p in spec.parameters()})
    assert {p.name: p.shape for p in found.parameters()} == {
        p.name: p.shape for p in spec.parameters()
    }


def test_strides_are_not_in_a_file_so_a_stage_table_must_be_given():
    spec = model_spec("od_mobilenetv2_100", **SMALL_MOBILENET)
    shapes = {p.name: p.shape for p in spec.parameters()}
    with pytest.raises(MismatchError, match="stage table of its own") as error:
        infer_spec(shapes)
    assert "--stages" in error.value.help
    assert infer_spec(shapes, SMALL_MOBILENET["stages"]) == spec


def test_a_mobilenet_of_unknown_width():
    spec = MobileNetV2Spec(width=1.4)
    with pytest.raises(MismatchError, match=r"features.0.1.weight: expected one of \[16, 24, 32\]"):
        infer_spec({p.name: p.shape for p in spec.parameters()})


def test_arrays_of_no_backbone():
    with pytest.raises(MismatchError, match=r"belong to none of the backbones.*'a.weight'"):
        infer_spec({"a.weight": (3, 4)})


def test_contradicting_hidden_widths():
    shapes = {p.name: p.shape for p in model_spec("od_resnet18").parameters()}
    shapes["layer1.0.conv1.attention.fc.weight"] = (17, 64, 1, 1)
    with pytest.raises(MismatchError, match="no reduction explains the hidden widths"):
        infer_spec(shapes)


@pytest.mark.parametrize("ending", ENDINGS)
def test_inspect_names_the_model(tmp_path, ending):
    spec = model_spec("od_resnet18", kernel_num=2, **SMALL_RESNET)
    path = save(tmp_path / f"x{ending}", spec, arrays_of(spec), ending)
    found = inspect(path)
    assert found.spec == spec
    assert "od_resnet_custom (kernel_num=2, 5 classes)" in str(found)
    assert from_dict(json.loads(json.dumps(found.to_dict()))["spec"]) == spec


def test_asking_for_another_model(tmp_path):
    spec = model_spec("od_resnet18")
    path = save(tmp_path / "x.safetensors", spec, arrays_of(spec), ".safetensors")
    found = inspect(Request(path, "od_resnet34"))
    assert found.spec is None
    assert found.reason == (
        "the file holds od_resnet18 (kernel_num=1, 1000 classes); you asked for od_resnet34; "
        "drop the model option, or ask for od_resnet18"
    )
    with pytest.raises(UsageError, match="unknown model 'vgg16'"):
        inspect(Request(path, "vgg16"))


def test_an_array_with_fewer_axes_than_a_kernel_is_none():
    """A layer norm of Keras has the names of a convolution in a file that numbers its arrays."""
    shapes = {"norm1/vars/0": (5,), "norm1/vars/1": (5,), "dense/vars/0": (5, 3)}
    found = canonical_parameters(shapes, KERAS)
    assert {parameter.name for parameter in found.values()} == {"norm1.bias", "dense.weight"}
