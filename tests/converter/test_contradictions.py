"""Arrays that contradict the model that was asked for, or each other."""

from __future__ import annotations

import json

import numpy as np
import pytest

from odconv_spec import model_spec, to_json
from tests.converter.helpers import SMALL_RESNET, arrays_of, save
from weights_converter import MismatchError, UsageError, formats, verify
from weights_converter.arrays.tensor import Tensor
from weights_converter.identify.backbones import infer_spec
from weights_converter.identify.contradictions import contradiction
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request
from weights_converter.names.mismatch import equal_order

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
        open_model(Request(path, model_spec("od_resnet18", **SMALL_RESNET | options)))
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


def test_a_model_that_nobody_asked_for(tmp_path):
    """The other file, or the file's own metadata, say which model is expected."""
    one, two = (model_spec("od_resnet18", kernel_num=n, **SMALL_RESNET) for n in (1, 2))
    first = save(tmp_path / "a.pth", one, arrays_of(one))
    second = save(tmp_path / "b.pth", two, arrays_of(two))
    with pytest.raises(MismatchError, match=r"b\.pth is .*; a\.pth is kernel_num=1") as error:
        verify(first, second)
    assert "option" not in str(error.value) + str(error.value.help)
    metadata = {"odconv.spec": to_json(two)}
    path = save(tmp_path / "c.safetensors", one, arrays_of(one), ".safetensors", metadata)
    for opens in (open_model, lambda path: verify(path, path)):
        with pytest.raises(MismatchError, match="its metadata name kernel_num=2") as error:
            opens(path)
        assert error.value.help == "ask for what it holds: --model NAME"
    with pytest.raises(MismatchError, match="you asked for kernel_num=2"):
        verify(Request(first, two), first)
    with pytest.raises(UsageError, match="two models are asked for"):
        verify(Request(first, one), Request(first, two))
    path = save(tmp_path / "d.pdparams", one, arrays_of(one), ".pdparams")
    (tmp_path / "d.pdparams.manifest.json").write_text(json.dumps(metadata))
    with pytest.raises(MismatchError) as error:
        open_model(path)
    assert error.value.help == "remove d.pdparams.manifest.json if it is of another file"


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
        open_model(Request(tmp_path / "x.pth", SMALL))
    hint = "   looks transposed; was this file converted before?"
    assert str(error.value) == (
        "the arrays do not fit: 2 of wrong shape in x.pth for "
        "od_resnet_custom (kernel_num=1, 5 classes)\n"
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
