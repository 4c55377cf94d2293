"""The layers as torch modules: arguments, errors, copies, dtypes, devices, memory formats."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import fields

import pytest
import torch
from helpers import ABLATIONS, KINDS, LAYERS, random_map, randomised
from torch import nn
from torch.nn import functional as F

from odconv_spec.choice import KINDS as SPECS
from odconv_torch import CondConv2d, DyConv2d, ODConv2d
from odconv_torch.layers import build_conv

EVERY = [(kind, {}) for kind in KINDS] + [("od", options) for options in ABLATIONS]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_arguments_are_those_of_the_static_layer_then_those_of_the_spec(kind, rank):
    ours = inspect.signature(LAYERS[kind][rank - 1]).parameters
    static = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[rank - 1]
    positional = [n for n, p in ours.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    theirs = list(inspect.signature(static).parameters)
    assert positional == theirs[: len(positional)]
    assert theirs[len(positional) :] == ["device", "dtype"]
    assert ours["bias"].default is (kind != "od")
    for field in fields(SPECS[kind]):
        if field.name not in ("in_channels", "out_channels", "kernel_size", "rank", "bias"):
            assert ours[field.name].default == field.default


@pytest.mark.parametrize("kind", KINDS)
def test_state_dict_order_is_that_of_the_spec(kind):
    layer = LAYERS[kind][1](4, 6, 3, bias=True)
    names = [n for n in layer.state_dict() if not n.endswith("num_batches_tracked")]
    assert names == [parameter.name for parameter in layer.spec.parameters()]


@pytest.mark.parametrize("options", ABLATIONS)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_arrays_are_those_of_the_spec(options, rank):
    layer = LAYERS["od"][rank - 1](4, 6, 3, bias=True, **options)
    shapes = [(n, tuple(t.shape)) for n, t in layer.state_dict().items() if t.dim()]
    assert shapes == [(p.name, p.shape) for p in layer.spec.parameters()]
    rebuilt = build_conv(layer.spec)
    assert rebuilt.spec == layer.spec
    rebuilt.load_state_dict(layer.state_dict(), strict=True)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((4, 6, 0), {}, "kernel_size: expected a whole number >= 1"),
        ((4, 6, 3), {"groups": 3}, "groups: expected a divisor of in_channels=4"),
        ((4, 6, 3), {"padding": "same", "stride": 2}, "padding='same': expected stride 1"),
        ((4, 6, 3), {"padding": "full"}, "padding: expected one of 'valid', 'same'"),
        ((4, 6, 3), {"kernel_num": 0}, "kernel_num: expected a whole number >= 1"),
        ((4, 6, 3), {"padding_mode": "mirror"}, "padding_mode: expected one of 'zeros', 'reflect'"),
        ((4, 6, 3), {"head_init": "ones"}, "head_init: expected one of"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_wrong_options(kind, arguments, options, message):
    with pytest.raises(ValueError, match=message):
        LAYERS[kind][1](*arguments, **options)


@pytest.mark.parametrize(
    ("layer", "options", "message"),
    [
        (ODConv2d, {"norm": "group"}, "norm: expected one of 'batch', 'layer', 'none'"),
        (
            ODConv2d,
            {"attentions": ("filter",)},
            "attentions: expected 'kernel' beside kernel_num=4",
        ),
        (ODConv2d, {"attentions": "kernel"}, "attentions: expected some of"),
        (ODConv2d, {"spatial_activation": "relu"}, "spatial_activation: expected one of"),
        (DyConv2d, {"hidden_rule": "half"}, "hidden_rule: expected one of"),
        (DyConv2d, {"hidden_channels": 0}, "hidden_channels: expected a whole number >= 1"),
        (CondConv2d, {"router": "none"}, "router: expected one of 'own', 'shared'"),
        (CondConv2d, {"mix_bias": 1}, "mix_bias: expected True or False"),
    ],
)
def test_wrong_options_of_one_kind(layer, options, message):
    with pytest.raises(ValueError, match=message):
        layer(4, 6, 3, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_that_do_not_fit(kind):
    one, two, three = (layer(4, 6, 3) for layer in LAYERS[kind])
    name = type(two).__name__
    expected = rf"{name}: expected an input \(batch, 4, height, width\), received \(2, 5, 8, 9\)"
    with pytest.raises(ValueError, match=expected):
        two(torch.randn(2, 5, 8, 9))
    with pytest.raises(ValueError, match=r"height, width\), received \(4, 8, 9\)"):
        two(torch.randn(4, 8, 9))
    with pytest.raises(ValueError, match=r"\(batch, 4, length\), received \(2, 4, 8, 9\)"):
        one(torch.randn(2, 4, 8, 9))
    with pytest.raises(ValueError, match=r"\(batch, 4, depth, height, width\), received"):
        three(torch.randn(2, 4, 8, 9))


@pytest.mark.parametrize(("kind", "options"), EVERY)
def test_copies_and_pickles_keep_everything(kind, options):
    layer = randomised(LAYERS[kind][1](4, 6, 3, padding=1, padding_mode="reflect", **options))
    layer.set_temperature(3.0)
    x = torch.randn(2, 4, 5, 6)
    y = layer.eval()(x)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        torch.testing.assert_close(twin(x), y, rtol=0, atol=0)
        with torch.no_grad():
            twin.weight.zero_()
        torch.testing.assert_close(layer(x), y, rtol=0, atol=0)


def test_whole_layers_travel_through_files(tmp_path):
    layer = randomised(ODConv2d(4, 6, 3)).eval()
    torch.save(layer, tmp_path / "layer.pt")
    x = torch.randn(2, 4, 5, 6)
    loaded = torch.load(tmp_path / "layer.pt", weights_only=False)
    torch.testing.assert_close(loaded(x), layer(x), rtol=0, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_replica_has_no_hold_on_the_original(kind):
    """What DataParallel does for each device: shallow copies with parameters of their own."""
    layer = randomised(LAYERS[kind][1](4, 6, 3)).eval()
    x = torch.randn(2, 4, 5, 6)
    module = nn.Sequential(layer)
    state = {f"0.{n}": torch.zeros_like(t) for n, t in layer.state_dict().items() if t.dim()}
    y = torch.func.functional_call(module, state, x)
    assert not y.any()
    held = [v for m in layer.modules() for v in vars(m).values() if inspect.ismethod(v)]
    assert held == []


@pytest.mark.parametrize(("kind", "options"), EVERY)
def test_channels_last(kind, options):
    layer = randomised(LAYERS[kind][1](4, 6, 3, **options, dtype=torch.float64)).eval()
    x = torch.randn(2, 4, 5, 6, dtype=torch.float64)
    torch.testing.assert_close(layer(x.to(memory_format=torch.channels_last)), layer(x))
    last = copy.deepcopy(layer).to(memory_format=torch.channels_last)
    torch.testing.assert_close(last(x.to(memory_format=torch.channels_last)), layer(x))


@pytest.mark.parametrize(("kind", "options"), EVERY)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast(kind, options, dtype):
    torch.manual_seed(0)
    start = {"head_init": "published"} | options
    layer = LAYERS[kind][1](8, 6, 3, padding=1, bias=True, **start).train()
    x = torch.randn(3, 8, 9, 7)
    with torch.autocast("cpu", dtype):
        y = layer(x)
        y.float().square().mean().backward()
    assert y.dtype == dtype
    torch.testing.assert_close(y.float(), layer(x), rtol=0.05, atol=0.03)
    assert all(
        torch.isfinite(p.grad).all() and p.dtype == torch.float32 for p in layer.parameters()
    )


@pytest.mark.parametrize(("kind", "options"), EVERY)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(kind, options, dtype):
    torch.manual_seed(0)
    start = {"head_init": "published"} | options
    layer = LAYERS[kind][1](8, 6, 3, padding=1, bias=True, **start)
    x = torch.randn(3, 8, 9, 7)
    y = copy.deepcopy(layer).to(dtype)(x.to(dtype))
    assert y.dtype == dtype
    torch.testing.assert_close(y.float(), layer(x), rtol=0.05, atol=0.05)


def test_softmaxes_of_half_precision_are_in_float32():
    layer = ODConv2d(4, 6, 3, spatial_activation="softmax", norm="layer").to(torch.bfloat16)
    attentions = layer.attention(torch.randn(2, 4, 8, 9, dtype=torch.bfloat16))
    assert (attentions.kernel.dtype, attentions.spatial.dtype) == (torch.float32, torch.float32)
    double = DyConv2d(4, 6, 3, dtype=torch.float64)
    assert double.attention(torch.randn(2, 4, 8, 9).double()).dtype == torch.float64


@pytest.mark.parametrize(("kind", "options"), EVERY)
def test_meta_device(kind, options):
    layer = LAYERS[kind][1](4, 6, 3, bias=True, device="meta", dtype=torch.float64, **options)
    tensors = [*layer.parameters(), *layer.buffers()]
    values = [tensor for tensor in tensors if tensor.device.type != "meta"]
    assert all(value is layer.attention.temperature for value in values)  # see test_tools_meta.py
    assert {t.dtype for t in tensors if t.is_floating_point()} == {torch.float64}
    assert layer(torch.randn(2, 4, 8, 9, device="meta", dtype=torch.float64)).shape == (2, 6, 6, 7)
    layer.to_empty(device="cpu")
    for module in layer.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    assert torch.isfinite(layer(torch.randn(2, 4, 8, 9, dtype=torch.float64))).all()
    temperatures = [t for n, t in layer.named_buffers() if n.endswith("temperature")]
    assert all(temperature == 1 for temperature in temperatures)


def test_representation_names_what_is_not_the_default():
    assert repr(DyConv2d(4, 6, 3, hidden_channels=5)).splitlines()[1].strip() == (
        "4, 6, kernel_size=(3, 3), stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), "
        "groups=1, bias=True, kernel_num=4, hidden_channels=5"
    )
    assert "padding_mode='circular'" in repr(ODConv2d(4, 6, 3, padding_mode="circular"))
    assert "router='shared'" in repr(CondConv2d(4, 6, 3, router="shared"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_padding_modes(kind, mode, rank):
    """Of a map that is padded by hand, whose attentions are those of the map without."""
    pairs = ((2, 1), (0, 2), (1, 1))[:rank]
    options = {"groups": 2, "dtype": torch.float64}
    make = LAYERS[kind][rank - 1]
    layer = randomised(make(4, 6, 3, padding=pairs, padding_mode=mode, **options)).eval()
    bare = make(4, 6, 3, **options).eval()
    bare.load_state_dict(layer.state_dict())
    x = random_map(rank, 4)
    name = "routing" if kind == "cond" else "attention"
    getattr(bare, name).forward = lambda padded: getattr(layer, name)(x)
    padded = F.pad(x, [side for pair in reversed(pairs) for side in pair], mode)
    torch.testing.assert_close(layer(x), bare(padded), rtol=1e-12, atol=1e-12)


SOFTMAX = {"spatial_activation": "softmax"}


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *((kind, {}) for kind in KINDS),
        ("od", SOFTMAX),
        ("od", SOFTMAX | {"attention_sharing": False}),
    ],
)
def test_an_empty_batch(kind, options):
    layer = LAYERS[kind][1](4, 6, 3, **options).eval()
    y = layer(torch.randn(0, 4, 8, 9, requires_grad=True))
    assert y.shape == (0, 6, 6, 7)
    y.sum().backward()
