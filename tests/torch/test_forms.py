"""The forms of a dynamic convolution agree, in value and in derivative, whatever the shapes."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from helpers import ABLATIONS, KINDS, LAYERS, close, random_map, randomised, reference

from odconv_torch import ODConv2d, create_model, set_strategy
from odconv_torch.layers.forms.choice import FUNCTIONS, choose_form
from odconv_torch.layers.forms.cost_model import FORMS as EAGER_FORMS
from odconv_torch.layers.forms.cost_model import GRAPH_FORMS, NATIVE, STRATEGIES
from odconv_torch.layers.window import Window

FORMS = (*EAGER_FORMS, *GRAPH_FORMS)
GEOMETRIES = (
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": 1},
    {"kernel_size": 1, "stride": 2, "groups": 2, "bias": True},
    {"kernel_size": 2, "groups": 2, "stride": 2, "padding": 1, "kernel_num": 1},
    {"kernel_size": 3, "groups": 4, "dilation": 2, "padding": 2},
    {"kernel_size": 2, "padding": "same", "kernel_num": 2},
)


def gradients(layer, x, slope):
    arrays = [x, *layer.parameters()]
    return torch.autograd.grad((layer(x) * slope).sum(), arrays)


def check_gradients(layer, x, slope, exact):
    names = [name for name, _ in layer.named_parameters()]
    expected = [exact.grad_input, *(exact.grads[name] for name in names)]
    for found, gradient in zip(gradients(layer, x, slope), expected, strict=True):
        close(found, torch.tensor(gradient))


def form_of(layer, x):
    window = Window(layer.stride, ((0, 0), (0, 0)), layer.dilation, layer.groups)
    return choose_form(x, layer.weight, layer.attention(x), window, layer.strategy)


def make(kind, rank, **options):
    layer = LAYERS[kind][rank - 1](4, 8, dtype=torch.float64, **options)
    return randomised(layer, rank).eval()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_each_form_follows_the_equation(form, kind, rank, geometry):
    layer = make(kind, rank, **geometry)
    x = random_map(rank, 4, 3, requires_grad=True)
    slope = torch.randn_like(layer(x))
    exact = reference(layer, x, slope)
    set_strategy(layer, form)
    close(layer(x), torch.tensor(exact.output))
    check_gradients(layer, x, slope, exact)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("options", ABLATIONS)
@pytest.mark.parametrize("groups", [1, 2])
def test_ablations(form, options, groups):
    layer = make("od", 2, kernel_size=(3, 2), groups=groups, **options)
    set_strategy(layer, form)
    x = random_map(2, 4, 3)
    close(layer(x), torch.tensor(reference(layer, x).output))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [(2, 2), (9, 11)])  # attentions scale maps, or kernels
@pytest.mark.parametrize("batch", [1, 3])
def test_small_and_large_maps(form, size, batch):
    layer = make("od", 2, kernel_size=3, padding=1, groups=2)
    set_strategy(layer, form)
    x = torch.randn(batch, 4, *size, dtype=torch.float64)
    close(layer(x), torch.tensor(reference(layer, x).output))


@pytest.mark.parametrize("form", ["samples", "tiled"])
@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_of_derivatives(form, kind):
    layer = LAYERS[kind][1](2, 2, 2, groups=2, kernel_num=2, dtype=torch.float64)
    set_strategy(randomised(layer, 2).eval(), form)
    x = torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    names, arrays = zip(*layer.named_parameters(), strict=True)

    def run(x, *arrays):
        return torch.func.functional_call(layer, dict(zip(names, arrays, strict=True)), x)

    assert torch.autograd.gradcheck(run, (x, *arrays), fast_mode=True)
    assert torch.autograd.gradgradcheck(run, (x, *arrays), fast_mode=True)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_nothing_is_changed_where_nothing_is_recorded(form, geometry):
    layer = make("od", 2, **geometry)
    set_strategy(layer, form)
    x = random_map(2, 4, 3)
    attentions = layer.attention(x)
    given = [x, *(a for a in attentions if a is not None), *layer.state_dict().values()]
    kept = [array.detach().clone() for array in given]
    expected = layer(x)
    with torch.no_grad():
        layer.attention.forward = lambda x: attentions
        found = layer(x)
    close(found, expected)
    assert all(map(torch.equal, given, kept))


@pytest.mark.parametrize("trains", [False, True])
@pytest.mark.parametrize("batch", [1, 8])
def test_pointwise_kernels_take_no_convolution_of_each_sample(trains, batch):
    chosen = set()
    for shape in ((16, 16, 56), (64, 384, 14), (512, 2048, 7)):
        for kernel_num in (1, 4):
            layer = ODConv2d(*shape[:2], 1, kernel_num=kernel_num).train(trains)
            with torch.set_grad_enabled(trains):
                chosen.add(form_of(layer, torch.zeros(batch, shape[0], shape[2], shape[2])))
    assert chosen <= {"shared", "tiled", "patches"}
    assert "patches" in chosen


ON_ACCELERATORS = (  # in, out, taps, groups, kernels, size of the map, form
    (64, 384, 1, 1, 1, 14, "shared"),  # a static convolution between scaled maps
    (64, 384, 1, 1, 4, 14, "patches"),
    (96, 96, 3, 96, 4, 28, "grouped"),
    (64, 64, 3, 1, 4, 56, "grouped"),
    (512, 512, 3, 1, 4, 7, "shared"),  # the bank on scaled patches
    (512, 512, 3, 1, 1, 7, "shared"),
)


@pytest.mark.parametrize("row", ON_ACCELERATORS, ids=str)
def test_the_form_is_that_of_the_device(row):
    inputs, out, taps, groups, kernel_num, size, expected = row
    layer = ODConv2d(inputs, out, taps, padding=taps // 2, groups=groups, kernel_num=kernel_num)
    x, pads = torch.zeros(8, inputs, size, size), ((taps // 2, taps // 2),) * 2
    window = Window(layer.stride, pads, layer.dilation, groups)
    arguments = (x, layer.weight, layer.attention(x), window, layer.strategy)
    assert choose_form(*arguments, device="cuda") == expected
    assert choose_form(*arguments, device="cpu") == choose_form(*arguments)


def test_kernels_with_attentions_of_their_own_on_accelerators():
    layer, x = ODConv2d(64, 64, 3, attention_sharing=False), torch.zeros(2, 64, 5, 5)
    window = Window((1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    arguments = (x, layer.weight, layer.attention(x), window, layer.strategy)
    assert choose_form(*arguments, device="cuda") == "grouped"


def test_tiles_that_do_not_divide_rows_and_samples():
    # 46 rows and 8 samples in a tile: the last have 2 rows, and 1 sample
    layer = ODConv2d(312, 48, 3, kernel_num=2, dtype=torch.float64)
    set_strategy(randomised(layer, 2).eval(), "tiled")
    x = torch.randn(9, 312, 4, 3, dtype=torch.float64, requires_grad=True)
    y = layer(x)
    slope = torch.randn_like(y)
    found = gradients(layer, x, slope)
    set_strategy(layer, "grouped")
    close(y, layer(x))
    for one, other in zip(found, gradients(layer, x, slope), strict=True):
        close(one, other)


@pytest.mark.parametrize("form", FORMS)
def test_only_what_is_asked_for_gets_a_gradient(form):
    layer = make("od", 2, kernel_size=3)
    set_strategy(layer, form)
    layer.weight.requires_grad_(False)
    x = random_map(2, 4, 2)
    y = layer(x)
    y.sum().backward()
    assert layer.weight.grad is None
    assert layer.attention.fc.weight.grad is not None


@pytest.mark.parametrize("form", ["auto", *EAGER_FORMS])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("geometry", [*GEOMETRIES, {"kernel_size": 1}])
@pytest.mark.parametrize("kernel_num", [1, 3])
def test_an_empty_batch(form, kind, geometry, kernel_num):
    layer = LAYERS[kind][1](8, 12, **geometry | {"kernel_num": kernel_num})
    set_strategy(layer, form)
    x = torch.randn(0, 8, 9, 11, requires_grad=True)
    y = layer.eval()(x)
    assert y.shape == (0, *layer(torch.randn(1, 8, 9, 11)).shape[1:])
    y.sum().backward()
    assert x.grad.shape == x.shape
    with torch.no_grad():
        assert layer(x).shape == y.shape


@pytest.mark.parametrize("form", ["auto", *FORMS])
@pytest.mark.parametrize("geometry", [*GEOMETRIES, {"kernel_size": 3, "groups": 8}])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("kernel_num", [1, 3])
def test_channels_last(form, geometry, batch, kernel_num):
    """Maps keep their layout, in value, in derivative, and where nothing is recorded."""
    options = {"kernel_num": kernel_num, "dtype": torch.float64}
    layer = randomised(ODConv2d(8, 8, **geometry | options), 2).eval()
    x = random_map(2, 8, batch, requires_grad=True)
    slope = torch.randn_like(layer(x))
    exact = reference(layer, x, slope)
    set_strategy(layer, form)
    last = x.detach().to(memory_format=torch.channels_last).requires_grad_()
    y = layer(last)
    with torch.no_grad():
        inferred = layer(last)
    for found in (y, inferred):
        close(found, torch.tensor(exact.output))
        assert found.is_contiguous(memory_format=torch.channels_last)
    check_gradients(layer, last, slope, exact)


@pytest.mark.parametrize("form", FORMS)
def test_mixed_precision(form):
    layer = ODConv2d(8, 8, 3, padding=1)
    set_strategy(layer, form)
    x = torch.randn(3, 8, 5, 6)
    expected = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
        y.sum().backward()
    torch.testing.assert_close(y.float(), expected, atol=0.1, rtol=0.1)
    assert layer.weight.grad.dtype == torch.float32


def test_a_whole_network_is_told():
    model = create_model("od_mobilenetv2_050")
    set_strategy(model, "samples")
    found = {m.strategy.name for m in model.modules() if hasattr(m, "strategy")}
    assert found == {"samples"}
    for same in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert same.features[1].conv[0][0].strategy.name == "samples"


def test_an_unknown_strategy():
    with pytest.raises(ValueError, match=r"strategy: expected .*received 'fast'"):
        set_strategy(ODConv2d(4, 4, 3), "fast")


@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name != NATIVE])
def test_what_is_asked_for_is_what_runs(strategy):
    layer = ODConv2d(4, 4, 3)
    set_strategy(layer, strategy)
    chosen = form_of(layer, torch.randn(2, 4, 5, 6))
    assert strategy in ("auto", chosen)
    assert FUNCTIONS[chosen].__name__ == chosen


def kept_bytes(layer, x):
    """What one pass keeps for the gradients, parameters and input aside."""
    own = {array.data_ptr() for array in [x, *layer.parameters()]}
    kept = {}

    def pack(array):
        if array.data_ptr() not in own:
            kept[array.data_ptr()] = array.nbytes
        return array

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda array: array):
        output = layer(x)
    del output
    return sum(kept.values())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_recomputing_changes_no_gradient(form, kind):
    layer = make(kind, 2, kernel_size=3, padding=1).train()
    x = random_map(2, 4, 3, requires_grad=True)
    slope = torch.randn_like(layer(x))
    set_strategy(layer, form)
    expected = gradients(layer, x, slope)
    set_strategy(layer, form, recompute=True)
    for found, gradient in zip(gradients(layer, x, slope), expected, strict=True):
        close(found, gradient)


def test_recomputing_keeps_no_kernels():
    layer = ODConv2d(32, 64, 3, padding=1, kernel_num=4)
    x = torch.randn(8, 32, 7, 5, requires_grad=True)
    set_strategy(layer, "grouped")
    before = kept_bytes(layer, x)
    set_strategy(layer, "grouped", recompute=True)
    mixed = 8 * 64 * 32 * 9 * 4  # bytes of the kernels of all samples
    assert kept_bytes(layer, x) < before - mixed
