"""Static convolutions of any network replaced by dynamic ones."""

from __future__ import annotations

import copy
from math import prod

import pytest
import torch
from helpers import KINDS, LAYERS, close, randomised
from torch import nn

from odconv_torch import Replaced, create_model, replace_convs


class Shared(nn.Module):
    """One convolution under two names, inside a block of its own."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.first = nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect")
        self.blocks = nn.ModuleDict({"again": nn.Sequential(self.first, nn.ReLU(), self.first)})
        self.up = nn.ConvTranspose2d(4, 5, 2)

    def forward(self, x):
        return self.up(self.blocks["again"](self.first(self.stem(x))))


def network():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False),
        nn.BatchNorm2d(8),
        nn.Sequential(nn.Conv2d(8, 8, 3, groups=8), nn.ReLU(), nn.Conv2d(8, 6, 1)),
        nn.Flatten(2),
        nn.Conv1d(6, 4, 5, stride=2),
    )


def prepared(model):
    return randomised(model).double().eval()


@pytest.mark.parametrize("kind", KINDS)
def test_the_function_is_kept(kind):
    model = prepared(network())
    x = torch.randn(3, 3, 9, 8, dtype=torch.float64)
    expected = model(x)
    replaced = replace_convs(model, kind, kernel_num=3)
    assert replaced.model is model
    assert [change.path for change in replaced.changes] == ["2.0", "2.2", "4"]
    close(model(x), expected, 1e-10)
    assert type(model[0]) is nn.Conv2d  # the first stays static
    assert isinstance(model[2][0], LAYERS[kind][1])
    assert isinstance(model[4], LAYERS[kind][0])
    assert not model[4].training


@pytest.mark.parametrize("kind", KINDS)
def test_changes_tell_what_was_and_is(kind):
    model = network()
    static = copy.deepcopy(model)
    for path, before, after in replace_convs(model, kind).changes:
        assert before.bias is (static.get_submodule(path).bias is not None)
        assert tuple(static.get_submodule(path).weight.shape) == before.kernel_shape
        assert after == model.get_submodule(path).spec
        assert (before.stride, before.groups) == (after.stride, after.groups)


def test_the_table_counts_parameters():
    static = network()
    model = copy.deepcopy(static)
    replaced = replace_convs(model, "od", lambda path, conv: path != "0")
    lines = str(replaced).splitlines()
    assert lines[0].split() == ["replaced", "parameters", "now"]
    for line, change in zip(lines[1:-1], replaced.changes, strict=True):
        path, before, after = line.split()
        assert path == change.path
        for count, net in ((before, static), (after, model)):
            sizes = [prod(p.shape) for p in net.get_submodule(path).parameters()]
            assert int(count.replace(",", "")) == sum(sizes)
    assert lines[-1].split()[0] == "total"


def test_where_chooses_by_path_and_convolution():
    seen = []

    def where(path, conv):
        seen.append(path)
        return conv.kernel_size == (1, 1)

    replaced = replace_convs(network(), "dy", where)
    assert seen == ["0", "2.0", "2.2", "4"]
    assert [change.path for change in replaced.changes] == ["2.2"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_convolution_in_several_places_stays_one(kind):
    model = prepared(Shared())
    x = torch.randn(2, 3, 8, 9, dtype=torch.float64)
    expected = model(x)
    replaced = replace_convs(model, kind)
    assert [change.path for change in replaced.changes] == ["first"]
    assert model.first is model.blocks["again"][0]
    assert model.first is model.blocks["again"][2]
    close(model(x), expected, 1e-10)


def test_what_cannot_be_replaced_is_reported():
    replaced = replace_convs(Shared(), "od")
    assert [path for path, _ in replaced.skipped] == ["up"]
    assert "received ConvTranspose2d" in replaced.skipped[0][1]
    assert "left: up: expected a torch.nn.Conv1d" in str(replaced)


def test_dynamic_layers_are_left_alone():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3))
    first = replace_convs(model, "od")
    assert len(first.changes) == 1
    again = replace_convs(model, "dy", lambda path, conv: True)
    assert [change.path for change in again.changes] == ["0"]


def test_a_lone_convolution():
    conv = nn.Conv2d(4, 6, 3).double()
    replaced = replace_convs(conv, "cond")
    assert isinstance(replaced, Replaced)
    x = torch.randn(2, 4, 8, 9, dtype=torch.float64)
    close(replaced.model(x), conv(x))
    assert "(the model)" in str(replaced)


@pytest.mark.parametrize("kind", KINDS)
def test_fresh_kernels(kind):
    model = network().double()
    static = copy.deepcopy(model)
    replace_convs(model, kind, keep_function=False)
    layer = model[2][2]
    assert layer.weight.dtype == torch.float64
    gain = (layer.weight * layer.spec.start_gain).mean(0)
    assert not torch.allclose(gain, static[2][2].weight)
    assert layer.spec.head_init == ("published" if kind == "cond" else "zero")
    assert model(torch.randn(2, 3, 9, 8, dtype=torch.float64)).shape[:2] == (2, 4)


def test_options_reach_the_layers():
    model = network()
    replace_convs(model, "od", norm="layer", attention_sharing=False, kernel_num=2)
    assert model[2][2].spec.norm == "layer"
    assert model[2][2].spec.kernel_num == 2
    model = network()
    replace_convs(model, "cond", mix_bias=False)
    assert model[2][2].bias.shape == (6,)


def test_a_static_backbone_becomes_the_dynamic_one():
    """Of the published backbones only the shortcuts and the classifier are chosen otherwise."""
    small = {"stages": [[8, 1], [12, 2]], "stem_channels": 8, "num_classes": 4}
    static = create_model("resnet18", **small)
    replace_convs(static, "od", lambda path, conv: ".conv" in path, kernel_num=1)
    dynamic = create_model("od_resnet18", kernel_num=1, **small)
    assert list(static.state_dict()) == list(dynamic.state_dict())
    dynamic.load_state_dict(static.state_dict(), strict=True)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("static",), {}, r"kind: expected one of \['od', 'dy', 'cond'\], received 'static'"),
        (("od",), {"router": "own"}, "a 'od' convolution has the options .* received"),
        (("cond",), {"router": "shared"}, "a 'cond' convolution has the options"),
        (("dy",), {"stride": 2}, r"a 'dy' convolution has the options .* received \['stride'\]"),
        (("dy",), {"kernel_num": 0}, "kernel_num: expected a whole number >= 1"),
        (
            ("od", lambda path, conv: False),
            {},
            "where: expected to choose .* '0', '2.0', '2.2', ",
        ),
    ],
)
def test_what_is_wrong_changes_nothing(arguments, options, message):
    model = network()
    before = [type(module) for module in model.modules()]
    with pytest.raises(ValueError, match=message):
        replace_convs(model, *arguments, **options)
    assert [type(module) for module in model.modules()] == before


def test_a_network_without_convolutions():
    with pytest.raises(ValueError, match="which has none"):
        replace_convs(nn.Linear(3, 4), "od", lambda path, conv: True)
