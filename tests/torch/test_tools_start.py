"""Who starts what: users' own loops do not reach attentions, and each module starts itself."""

from __future__ import annotations

import random

import pytest
import torch
from helpers import KINDS, LAYERS
from torch import nn

from odconv_spec import ConvSpec
from odconv_torch import Routing, create_model
from odconv_torch.layers import Pointwise

STARTS = ("zero", "published")
LINEAR = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def start_as_users_do(model):
    """As the loops of torchvision, timm and many papers."""
    for module in model.modules():
        if isinstance(module, LINEAR):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
            nn.init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.ones_(module.bias)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("start", STARTS)
def test_a_loop_over_convolutions_leaves_a_layer_alone(kind, rank, start):
    layer = LAYERS[kind][rank - 1](4, 6, 3, bias=True, head_init=start)
    x = torch.randn(2, 4, *(5, 6, 7)[:rank])
    before = layer(x)
    start_as_users_do(layer)
    assert torch.equal(layer(x), before)


@pytest.mark.parametrize("name", ["od_resnet18", "dy_mobilenetv2_050", "cond_resnet18"])
def test_a_loop_over_convolutions_leaves_the_attentions_of_a_network_alone(name):
    stages = [[8, 1], [12, 1]] if "resnet" in name else [[1, 16, 1, 1], [3, 24, 2, 2]]
    model = create_model(name, num_classes=5, stages=stages)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    start_as_users_do(model)
    changed = {n for n, t in model.state_dict().items() if not torch.equal(t, before[n])}
    static = [n for n, m in model.named_modules() if isinstance(m, LINEAR)]
    assert changed == {n for n in before if n.rpartition(".")[0] in static}
    assert 1 <= len(static) <= 4  # the stem, the classifier, the last layer
    assert not any("attention" in name or "routing" in name for name in static)


@pytest.mark.parametrize("kind", KINDS)
def test_a_loop_over_names_of_classes(kind):
    """As in DCGAN: https://docs.pytorch.org/tutorials/beginner/dcgan_faces_tutorial.html."""
    layer = LAYERS[kind][1](4, 6, 3, bias=True)
    before = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    for module in layer.modules():
        if "Conv" in type(module).__name__:
            nn.init.normal_(module.weight.data, 0.0, 0.02)
    changed = [n for n, t in layer.state_dict().items() if not torch.equal(t, before[n])]
    assert changed == ["weight"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("start", STARTS)
def test_modules_start_in_any_order(kind, start):
    """FSDP calls `to_empty(recurse=False)` and `reset_parameters` of one module after the other."""
    layer = LAYERS[kind][1](4, 64, 3, bias=True, head_init=start, device="meta")
    layer.set_temperature(5.0)
    modules = list(layer.modules())
    random.Random(0).shuffle(modules)
    for module in modules:
        if [*module.parameters(recurse=False), *module.buffers(recurse=False)]:
            module.to_empty(device="cpu", recurse=False)
            module.reset_parameters()
    check_start(layer, start)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("start", STARTS)
def test_each_module_starts_its_own_arrays_only(kind, start):
    layer = LAYERS[kind][1](4, 64, 3, bias=True, head_init=start)
    for module in layer.modules():
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.fill_(7.0)
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
        own = {id(p) for p in module.parameters(recurse=False)}
        for parameter in layer.parameters():
            assert (parameter == 7).all() == (id(parameter) not in own)


def check_start(layer, start):
    """Each array has the deviation that it should have, which only many values show."""
    weights = {n: p.detach() for n, p in layer.named_parameters() if n.endswith("weight")}
    assert weights.pop("weight").std() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.1)
    trunks = [weights.pop(n) for n in list(weights) if n.endswith((".fc.weight", ".fc1.weight"))]
    assert all(trunk.any() for trunk in trunks)
    heads = [w for n, w in weights.items() if ".bn." not in n]
    assert len(heads) in (1, 4)
    assert all(bool(head.any()) == (start == "published") for head in heads)
    biases = [p for n, p in layer.named_parameters() if n.endswith("bias")]
    assert not any(bias.any() for bias in biases)
    temperatures = [b for n, b in layer.named_buffers() if n.endswith("temperature")]
    assert all(temperature == 1 for temperature in temperatures)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("start", STARTS)
def test_skip_init(kind, start):
    layer = nn.utils.skip_init(LAYERS[kind][1], 4, 64, 3, bias=True, head_init=start)
    for module in layer.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    check_start(layer, start)


def test_a_seed_gives_the_numbers_that_it_gave():
    """Of a layer made when the layers of its attention were convolutions."""
    torch.manual_seed(4)
    od = LAYERS["od"][1](20, 24, 3, head_init="published").attention
    dy = LAYERS["dy"][1](20, 24, 3, head_init="published").attention
    found = [od.fc.weight[0, 0], od.kernel_fc.weight[0, 0], dy.fc2.weight[0, 0], torch.rand(())]
    expected = [0.145724, -0.458257, -0.816982, 0.849081]
    assert [value.item() for value in found] == pytest.approx(expected, abs=1e-5)


class Adapter(nn.Module):
    """A low-rank update of a layer that stays as it is, as LoRA puts it around one."""

    def __init__(self, layer, down, up):
        super().__init__()
        self.layer, self.down, self.up = layer, down, up

    def forward(self, x):
        return self.layer(x) + self.up(self.down(x))


@pytest.mark.parametrize(("kind", "name"), [("od", "kernel_fc"), ("dy", "fc2"), ("od", "fc")])
def test_an_adapter_around_a_layer_of_an_attention(kind, name):
    layer = LAYERS[kind][1](8, 6, 3, head_init="published").eval()
    x = torch.randn(2, 8, 5, 6)
    before = layer(x)
    inner = layer.attention.get_submodule(name)
    down, up = nn.Conv2d(inner.in_channels, 2, 1), nn.Conv2d(2, inner.out_channels, 1)
    nn.init.zeros_(up.weight)
    nn.init.zeros_(up.bias)
    setattr(layer.attention, name, Adapter(inner, down, up))
    torch.testing.assert_close(layer(x), before)
    layer(x).sum().backward()
    assert up.weight.grad.any()


def test_layers_of_attentions_are_no_convolutions():
    """But have the arrays of one, so that checkpoints load."""
    for rank, conv in ((1, nn.Conv1d), (2, nn.Conv2d), (3, nn.Conv3d)):
        spec = ConvSpec(in_channels=5, out_channels=3, kernel_size=1, bias=True, rank=rank)
        ours, theirs = Pointwise(spec), conv(5, 3, 1)
        assert not isinstance(ours, LINEAR)
        ours.load_state_dict(theirs.state_dict(), strict=True)
        x = torch.randn(2, 5, *[1] * rank)
        torch.testing.assert_close(ours(x), theirs(x))
    assert not isinstance(Routing(4, 3), LINEAR)
    Routing(4, 3).load_state_dict(nn.Linear(4, 3).state_dict(), strict=True)
    assert "5, 3, rank=3, bias=True, head_init='published'" in repr(Pointwise(spec))
    assert "4, 3, head_init='zero'" in repr(Routing(4, 3, "zero"))


@pytest.mark.parametrize(
    "make",
    [
        lambda start: Routing(4, 3, head_init=start),
        lambda start: Pointwise(
            ConvSpec(in_channels=4, out_channels=3, kernel_size=1), head_init=start
        ),
    ],
    ids=["Routing", "Pointwise"],
)
def test_there_are_two_starts(make):
    with pytest.raises(ValueError, match="head_init: expected one of"):
        make("ones")
