"""Which model a file holds, found out from names and shapes in every layout."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from odconv_spec import (
    CondConvSpec,
    ConvChoice,
    DyConvSpec,
    MobileNetV2Spec,
    ODConvSpec,
    ResNetSpec,
    from_dict,
    list_models,
    model_spec,
)
from tests.converter.helpers import ENDINGS, SMALL_MOBILENET, SMALL_RESNET, arrays_of, save
from weights_converter import MismatchError, UsageError, formats, inspect
from weights_converter.check import equal_order
from weights_converter.contradictions import contradiction
from weights_converter.inference import describe, infer_spec
from weights_converter.layer_inference import infer_layer
from weights_converter.layouts import KERAS, PADDLE, TORCH
from weights_converter.manifest import Manifest
from weights_converter.naming import canonical_parameters
from weights_converter.tensor import Tensor
from weights_converter.weights import open_weights

GOLDEN = Path(__file__).parents[2] / "parity_tests" / "golden" / "official_names.json.gz"
OFFICIAL = json.loads(gzip.decompress(GOLDEN.read_bytes()))


OTHERS = [name for name in list_models() if name.startswith(("dy_", "cond_"))]


def spec_of(entry, **options):
    name, _, kernel_num = entry.partition("/")
    return model_spec(name, **options, **({"kernel_num": int(kernel_num)} if kernel_num else {}))


@pytest.mark.parametrize("layout", [TORCH, PADDLE, KERAS], ids=lambda layout: layout.name)
@pytest.mark.parametrize("entry", [*OFFICIAL, *OTHERS])
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
    with pytest.raises(MismatchError, match=r"features.0.0.weight: expected one of \[16, 24, 32\]"):
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
    found = inspect(path, "od_resnet34")
    assert found.spec is None
    assert found.reason == (
        "the file holds od_resnet18 (kernel_num=1, 1000 classes); you asked for od_resnet34; "
        "drop the model option, or ask for od_resnet18"
    )
    with pytest.raises(UsageError, match="unknown model 'vgg16'"):
        inspect(path, "vgg16")


SMALL = model_spec("od_resnet18", **SMALL_RESNET)
CONTRADICTIONS = {
    "kernels": (
        {"kernel_num": 4},
        "with kernel_num=1 (no kernel_fc, weight (1, 8, 8, 3, 3)); you asked for kernel_num=4",
    ),
    "classes": (
        {"num_classes": 9},
        "with num_classes=5 (fc.weight (5, 12)); you asked for num_classes=9",
    ),
    "widths": (
        {"reduction": 0.5, "min_channels": 4},
        "with min_channels=16, reduction=0.0625 "
        "(layer1.0.conv1.attention.fc.weight (16, 8, 1, 1)); "
        "you asked for min_channels=4, reduction=0.5",
    ),
    "image": (
        {"in_channels": 1},
        "with in_channels=3 (conv1.weight (8, 3, 7, 7)); you asked for in_channels=1",
    ),
    "attentions": (
        {"attentions": ("channel",), "norm": "layer"},
        "with attentions=('channel', 'filter', 'spatial', 'kernel'), norm=batch; "
        "you asked for attentions=('channel',), norm=layer",
    ),
}


@pytest.mark.parametrize(("options", "text"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_what_contradicts_the_model_that_was_asked_for(tmp_path, options, text):
    path = save(tmp_path / "od.pth.tar", SMALL, arrays_of(SMALL))
    with pytest.raises(MismatchError) as error:
        open_weights(path, model_spec("od_resnet18", **SMALL_RESNET | options))
    assert str(error.value) == f"od.pth.tar is od_resnet_custom {text}"
    assert error.value.help == "drop the model option, or ask for what the file holds"


def test_the_text_for_a_published_model():
    found = model_spec("od_resnet18")
    shapes = {p.name: p.shape for p in found.parameters()}
    error = contradiction(model_spec("od_resnet18", kernel_num=4), shapes, "od.pth.tar")
    assert str(error) == (
        "od.pth.tar is od_resnet18 with kernel_num=1 (no kernel_fc, weight (1, 64, 64, 3, 3)); "
        "you asked for kernel_num=4"
    )
    assert contradiction(found, shapes, "od.pth.tar") is None


def test_options_without_a_trace_contradict_nothing():
    shapes = {p.name: p.shape for p in SMALL.parameters()}
    options = {"kernel_num": 4, "head_init": "published", "dropout": 0.2}
    error = contradiction(model_spec("od_resnet18", **SMALL_RESNET | options), shapes, "x.pth")
    assert str(error).endswith("; you asked for kernel_num=4")
    assert "head_init" not in str(error) and "dropout" not in str(error)


def test_arrays_of_no_model_contradict_no_option():
    shapes = {p.name: p.shape for p in SMALL.parameters()} | {"conv1.weight": (7, 7, 3, 8)}
    assert contradiction(SMALL, shapes, "x.pth") is None


@pytest.mark.parametrize(
    "asked", ["od_resnet34", "dy_resnet18", "cond_resnet18", "od_mobilenetv2_100"]
)
def test_another_model_than_was_asked_for(tmp_path, asked):
    spec = model_spec("od_resnet18", kernel_num=2)
    shapes = {p.name: p.shape for p in spec.parameters()}
    error = contradiction(model_spec(asked), shapes, "od.pth.tar")
    assert str(error).startswith("od.pth.tar is od_resnet18")
    assert f"you asked for {asked}" in str(error)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("dy_resnet18", "with kernel_num=2 (fc2.weight (2, 2, 1, 1), weight (2, 8, 8, 3, 3));"),
        ("cond_resnet18", "with kernel_num=2 (routing.weight (2, 8));"),
    ],
)
def test_kernels_of_other_kinds(tmp_path, name, text):
    spec = model_spec(name, kernel_num=2, **SMALL_RESNET)
    shapes = {p.name: p.shape for p in spec.parameters()}
    asked = model_spec(name, kernel_num=3, **SMALL_RESNET)
    assert text in str(contradiction(asked, shapes, "x.pth"))


FOUR = {p.name: p.shape for p in model_spec("od_resnet18", kernel_num=4).parameters()}


def test_layers_with_different_numbers_of_kernels():
    two = {
        "layer1.0.conv2.weight": (2, 64, 64, 3, 3),
        "layer1.0.conv2.attention.kernel_fc.weight": (2, 16, 1, 1),
    }
    with pytest.raises(MismatchError) as error:
        infer_spec(FOUR | two)
    assert str(error.value) == (
        "the layers have different numbers of kernels: layer1.0.conv2.weight (2, 64, 64, 3, 3) "
        "has 2, layer1.0.conv1.weight (4, 64, 64, 3, 3) has 4"
    )
    assert "manifest" in error.value.help


def test_an_attention_that_weighs_another_number_of_kernels():
    head = "layer1.0.conv2.attention.kernel_fc.weight"
    with pytest.raises(MismatchError) as error:
        infer_spec(FOUR | {head: (2, 16, 1, 1)})
    bank = "layer1.0.conv2.weight (4, 64, 64, 3, 3) has 4 kernels"
    assert str(error.value) == f"{bank}, but the attention weighs 2: {head} (2, 16, 1, 1)"
    with pytest.raises(MismatchError) as error:
        infer_spec({name: shape for name, shape in FOUR.items() if name != head})
    assert str(error.value) == f"{bank}, but the attention weighs 1: no {head}"


def test_a_transposed_classifier():
    with pytest.raises(MismatchError) as error:
        infer_spec(FOUR | {"fc.weight": (512, 1000)})
    assert str(error.value) == "fc.weight (512, 1000) has 512 classes, fc.bias (1000,) has not"
    assert error.value.help == "it looks transposed; was this file converted before?"


def test_transposed_arrays_of_a_known_model(tmp_path):
    arrays = arrays_of(SMALL)
    arrays["fc.weight"] = np.ascontiguousarray(arrays["fc.weight"].T)
    arrays["conv1.weight"] = np.ascontiguousarray(arrays["conv1.weight"].transpose(2, 3, 1, 0))
    tensors = [Tensor.of(name, array) for name, array in arrays.items()]
    formats.write(tmp_path / "x.pth", "torch", tensors, {})
    with pytest.raises(MismatchError) as error:
        open_weights(tmp_path / "x.pth", SMALL)
    hint = "   looks transposed; was this file converted before?"
    assert str(error.value) == (
        "2 of wrong shape in x.pth for od_resnet_custom (kernel_num=1, 5 classes)\n"
        f"  shape       conv1.weight  expected (8, 3, 7, 7), found (7, 7, 3, 8){hint}\n"
        f"  shape       fc.weight  expected (5, 12), found (12, 5){hint}"
    )


def test_a_transposed_square_kernel_shows_in_its_values_alone():
    kernel = np.arange(4 * 6 * 6 * 3 * 3, dtype=np.float32).reshape(4, 6, 6, 3, 3)
    wrong = np.ascontiguousarray(kernel.transpose(0, 2, 1, 3, 4))
    assert wrong.shape == kernel.shape
    assert equal_order(kernel, wrong) == (0, 2, 1, 3, 4)
    assert equal_order(kernel, kernel + 1) is None
    assert equal_order(kernel[0, 0, 0, 0, :1], kernel[0, 0, 0, 0, :1]) is None


LAYERS = [
    ODConvSpec(in_channels=8, out_channels=6, kernel_size=(3, 5), groups=2, bias=True),
    ODConvSpec(in_channels=6, out_channels=6, kernel_size=3, groups=6, rank=1, kernel_num=1),
    ODConvSpec(in_channels=8, out_channels=6, kernel_size=3, rank=3, attention_sharing=False),
    CondConvSpec(in_channels=8, out_channels=6, kernel_size=3, rank=1, kernel_num=3),
    CondConvSpec(in_channels=8, out_channels=8, kernel_size=3, groups=8, bias=True),
    DyConvSpec(in_channels=8, out_channels=6, kernel_size=1, rank=3, kernel_num=2, bias=True),
]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("spec", LAYERS, ids=lambda spec: f"{type(spec).__name__}{spec.rank}d")
def test_a_lone_layer(tmp_path, spec, ending):
    arrays = arrays_of(spec)
    weights = open_weights(save(tmp_path / f"x{ending}", spec, arrays, ending))
    assert weights.spec == Manifest.of_layer(spec)
    assert weights.spec.trainable_count() == sum(
        np.prod(p.shape) for p in spec.parameters() if p.role.trainable
    )
    for name, array in arrays.items():
        assert weights.tensors[name].load().tobytes() == array.tobytes()


def test_a_layer_whose_arrays_contradict_each_other():
    shapes = {p.name: p.shape for p in LAYERS[0].parameters()} | {"weight": (4, 6, 3, 3, 5)}
    with pytest.raises(MismatchError) as error:
        infer_layer(shapes)
    assert str(error.value) == (
        "weight (4, 6, 3, 3, 5) has 3 input channels in a group, but attention.fc.weight "
        "(16, 8, 1, 1) reads 8"
    )
