"""The compiled operation beside the plain path and its own formula in float64."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import fields

import pytest
import torch
from helpers import random_map, randomised
from torch.func import jvp, vmap
from torch.utils._python_dispatch import TorchDispatchMode

from odconv_torch import (
    CondConv2d,
    DyConv2d,
    ODConv1d,
    ODConv2d,
    ODConv3d,
    create_model,
    native,
    optimize_for_inference,
    set_strategy,
)
from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.cost_model import Costs
from odconv_torch.layers.functional import od_conv

# Only arithmetic counts, of which this form is said to have the fastest: every layer takes it.
ARITHMETIC = ("conv", "grouped", "sample", "product")
ALWAYS = Costs(**{field.name: float(field.name in ARITHMETIC) for field in fields(Costs)})
COMPILER = os.environ.get("CXX", "c++")
needs_compiler = pytest.mark.skipif(
    shutil.which(COMPILER) is None, reason=f"no C++ compiler {COMPILER} on this machine"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where this module's library is: built once, in a folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        found = tmp_path_factory.mktemp("extensions")
        patch.setenv("TORCH_EXTENSIONS_DIR", str(found))
        yield found


@pytest.fixture(scope="module")
def loaded(folder):
    native.build()
    native.load()


class Calls(TorchDispatchMode):
    """Whether the operation is among those that run."""

    found = False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.found |= func is torch.ops.odconv.dynamic_conv.default
        return func(*args, **(kwargs or {}))


def forced(layer):
    """A copy that takes the operation wherever it can."""
    layer = copy.deepcopy(layer).eval()
    set_strategy(layer, "native", inference=ALWAYS)
    return layer


def close(actual, expected, tolerance=2e-5):
    assert actual.shape == expected.shape and actual.dtype == expected.dtype
    assert (actual - expected).abs().max() <= tolerance * expected.abs().max()


def meets_the_formula(layer, x, takes=True):
    """Compares a layer in the operation with itself in float64."""
    exact = copy.deepcopy(layer).double().eval()
    with torch.no_grad(), Calls() as calls:
        found = forced(layer)(x)
    with torch.no_grad():
        close(found, exact(x.double()).float())
    assert calls.found == takes


GEOMETRIES = {
    "plain": (16, 32, 3, {"padding": 1}),
    "pointwise": (16, 33, 1, {}),
    "pointwise with a step": (16, 33, 1, {"stride": 2, "padding": (0, 1)}),
    "not square": (6, 10, (3, 2), {"padding": (2, 0), "stride": (2, 1)}),
    "dilated": (6, 70, (2, 3), {"padding": (1, 4), "dilation": (2, 3)}),
    "groups": (12, 66, 3, {"padding": 1, "groups": 6}),
    "more padding than taps": (3, 4, (1, 3), {"padding": (2, 5), "stride": 3}),
    "deep": (131, 40, 3, {"padding": 1}),
    "one position": (5, 4, (7, 8), {}),
    "biased": (16, 34, 3, {"bias": True}),
    "one kernel": (16, 32, 3, {"padding": 1, "kernel_num": 1}),
    "many kernels": (16, 32, 3, {"padding": 1, "kernel_num": 7}),
}


@needs_compiler
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("batch", [1, 3])
def test_layers_of_every_geometry(loaded, geometry, batch):
    ins, outs, kernel, options = GEOMETRIES[geometry]
    layer = randomised(ODConv2d(ins, outs, kernel, **options))
    meets_the_formula(layer, random_map(2, ins, batch, torch.float32))


@needs_compiler
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (9, 16), (13, 19), (31, 34)])
def test_maps_of_every_size(loaded, size):
    layer = randomised(ODConv2d(130, 40, 3, padding=1))
    meets_the_formula(layer, torch.randn(9, 130, *size))


@needs_compiler
@pytest.mark.parametrize(
    "options",
    [
        {"attentions": (), "kernel_num": 1},
        {"attentions": ("channel",), "kernel_num": 1},
        {"attentions": ("filter", "kernel"), "bias": True},
        {"attentions": ("spatial", "kernel"), "spatial_activation": "softmax"},
    ],
)
def test_some_attentions(loaded, options):
    layer = randomised(ODConv2d(8, 12, 3, padding=1, **options))
    meets_the_formula(layer, random_map(2, 8, 3, torch.float32))


@needs_compiler
@pytest.mark.parametrize(
    "layer", [DyConv2d(8, 12, 3, bias=True), CondConv2d(8, 12, 3, bias=True), ODConv1d(8, 12, 3)]
)
def test_other_layers(loaded, layer):
    rank = layer.spec.rank
    meets_the_formula(randomised(layer), random_map(rank, 8, 3, torch.float32))


@needs_compiler
@pytest.mark.parametrize(
    "layer",
    [ODConv3d(4, 6, 3), ODConv2d(4, 4, 3, groups=4), ODConv2d(4, 6, 3, attention_sharing=False)],
)
def test_layers_that_it_is_not_for(loaded, layer):
    meets_the_formula(randomised(layer), random_map(layer.rank, 4, 3, torch.float32), takes=False)


@needs_compiler
def test_maps_whose_patches_are_large(loaded):
    layer = randomised(ODConv2d(114, 2, 3, padding=1))
    meets_the_formula(layer, torch.randn(1, 114, 64, 65), takes=False)
    meets_the_formula(layer, torch.randn(1, 114, 64, 64))


@needs_compiler
def test_uneven_padding(loaded):
    layer = randomised(ODConv2d(4, 6, (2, 3), padding="same"))
    meets_the_formula(layer, random_map(2, 4, 3, torch.float32), takes=False)


@needs_compiler
@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.to(memory_format=torch.channels_last),
        lambda x: x.transpose(2, 3),
        lambda x: x[:, :, ::2, 1:],
        lambda x: x[:1].expand(3, -1, -1, -1),
    ],
)
def test_maps_in_other_layouts(loaded, change):
    layer = randomised(ODConv2d(8, 12, 3, padding=1))
    meets_the_formula(layer, change(random_map(2, 8, 3, torch.float32)))


@needs_compiler
def test_a_bank_in_another_layout(loaded):
    layer = randomised(ODConv2d(8, 12, 3))
    layer.weight = torch.nn.Parameter(layer.weight.detach().transpose(3, 4))
    meets_the_formula(layer, random_map(2, 8, 3, torch.float32))


@needs_compiler
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_no_numbers(loaded, value):
    """They reach the positions that see them, and no other."""
    x, weight = torch.rand(2, 5, 9, 11), torch.rand(3, 33, 5, 3, 3)
    x[1, 2, 4, 6] = value
    attentions = Attentions(torch.rand(2, 5, 1, 1), kernel=torch.rand(2, 3))
    found = torch.ops.odconv.dynamic_conv(x, weight, *attentions, None, [1, 1], [1, 1], [1, 1], 1)
    expected = od_conv(x, weight, attentions, padding=((1, 1), (1, 1)))
    assert (~found.isfinite()).sum() == 33 * 9
    torch.testing.assert_close(found, expected, equal_nan=True)


@needs_compiler
def test_what_is_no_inference_takes_the_plain_path(loaded):
    layer, x = randomised(ODConv2d(8, 12, 3)).eval(), random_map(2, 8, 3, torch.float32)
    fast = forced(layer)
    with Calls() as calls:
        trained = fast(x)
        trained.sum().backward()
        with torch.no_grad():
            empty = fast(x[:0])
            double = copy.deepcopy(fast).double()(x.double())
            with torch.autocast("cpu", torch.bfloat16):
                low = fast(x)
            change = jvp(fast, (x,), (x,))[1]
    assert not calls.found
    with torch.no_grad():
        close(trained, layer(x), 1e-6)
        close(double.float(), layer(x))
        torch.testing.assert_close(change, jvp(layer, (x,), (x,))[1])
    assert empty.shape == (0, 12, 5, 6) and low.dtype == torch.bfloat16
    assert fast.weight.grad is not None


@needs_compiler
def test_vmap_agrees(loaded):
    layer, x = randomised(ODConv2d(8, 12, 3)).eval(), torch.randn(4, 2, 8, 7, 8)
    with torch.no_grad():
        close(vmap(forced(layer))(x), torch.stack([layer(part) for part in x]))


@needs_compiler
def test_recorded_graphs_do_not_have_it(loaded):
    layer, x = randomised(ODConv2d(8, 12, 3)).eval(), random_map(2, 8, 2, torch.float32)
    fast = forced(layer)
    with torch.no_grad():
        program = torch.export.export(fast, (x,))
        assert "odconv" not in str(program.graph)
        close(program.module()(x), layer(x))
        close(torch.compile(fast, backend="aot_eager", fullgraph=True)(x), layer(x))


@needs_compiler
@pytest.mark.parametrize("rows", [None, (12,), (3, 12)])
def test_the_operation_is_a_proper_one(loaded, rows):
    """Its schema, its shapes without values, and a graph that holds any batch."""
    x, weight = torch.randn(3, 8, 7, 9), torch.randn(4, 12, 4, 3, 2)
    factors = (torch.rand(3, 8, 1, 1), torch.rand(3, 12, 1, 1), torch.rand(3, 1, 1, 3, 2))
    bias = None if rows is None else torch.randn(rows)
    given = (x, weight, *factors, torch.rand(3, 4), bias, [2, 1], [1, 0], [1, 2], 2)
    torch.library.opcheck(torch.ops.odconv.dynamic_conv.default, given)


@needs_compiler
@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (0, torch.rand(2, 7, 8, 9)),
        (0, torch.rand(2, 8, 2, 9)),
        (0, torch.rand(2, 8, 8, 9).double()),
        (1, torch.rand(4, 12, 8, 3)),
        (1, torch.rand(0, 12, 8, 3, 3)),
        (1, torch.rand(4, 12, 8, 0, 3)),
        (2, torch.rand(1, 8, 1, 1)),
        (3, torch.rand(2, 8, 1, 1)),
        (4, torch.rand(2, 1, 1, 2, 3)),
        (5, torch.rand(2, 3)),
        (5, None),
        (6, torch.rand(2, 2, 12)),
        (7, [0, 1]),
        (8, [0, 0, 0]),
        (10, 5),
    ],
)
def test_wrong_arguments_are_named(loaded, place, wrong):
    given = [torch.rand(2, 8, 8, 9), torch.rand(4, 12, 8, 3, 3), *(None,) * 3, torch.rand(2, 4)]
    given += [None, [1, 1], [0, 0], [1, 1], 1]
    torch.ops.odconv.dynamic_conv(*given)
    given[place] = wrong
    with pytest.raises(RuntimeError, match=r"odconv::dynamic_conv: expected"):
        torch.ops.odconv.dynamic_conv(*given)


@needs_compiler
def test_threads_do_not_disturb_each_other(loaded):
    layer = forced(randomised(ODConv2d(32, 40, 3, padding=1)))
    maps = [torch.randn(2, 32, 9, 10) for _ in range(6)]
    found = {}

    def run(index):
        with torch.no_grad():
            found[index] = [layer(maps[index]) for _ in range(5)]

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(maps))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with torch.no_grad():
        for index, x in enumerate(maps):
            assert all(torch.equal(y, layer(x)) for y in found[index])


@needs_compiler
@pytest.mark.parametrize("name", ["od_resnet18", "dy_mobilenetv2_050", "cond_resnet18"])
def test_networks(loaded, name):
    """By the usual costs, which choose it for some of the layers."""
    model, x = create_model(name, num_classes=7).eval(), torch.randn(2, 3, 64, 96)
    plain = copy.deepcopy(model)
    set_strategy(model, "native")
    with torch.inference_mode(), Calls() as calls:
        found = model(x)
    with torch.inference_mode():
        close(found, plain(x))
        close(optimize_for_inference(model)(x), plain(x))
    assert calls.found


@needs_compiler
def test_another_process_takes_the_plain_path(loaded, tmp_path):
    """Nothing is loaded unless it is asked for, by an import or with a model."""
    layer, x = forced(randomised(ODConv2d(8, 12, 3))), random_map(2, 8, 3, torch.float32)
    with torch.no_grad():
        torch.save((layer, x, layer(x)), tmp_path / "layer.pt")
    script = (
        "import sys, torch, odconv_torch\n"
        "layer, x, y = torch.load(sys.argv[1], weights_only=False)\n"
        "with torch.no_grad(): torch.testing.assert_close(layer(x), y, rtol=1e-4, atol=1e-4)\n"
        "assert not odconv_torch.native.is_loaded()\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "layer.pt")], check=True)


@needs_compiler
def test_the_command(loaded, folder):
    assert native.path().is_relative_to(folder) and native.path().exists()
    run = command("build")
    assert run.returncode == 0 and f"{native.path()} is there already" in run.stdout


def test_without_a_library_or_a_compiler(tmp_path):
    empty = {"TORCH_EXTENSIONS_DIR": str(tmp_path / "none"), "CXX": str(tmp_path / "none" / "c++")}
    script = (
        "import pytest, odconv_torch\n"
        "layer = odconv_torch.ODConv2d(4, 4, 3)\n"
        "with pytest.raises(RuntimeError, match='python -m odconv_torch.native build'):\n"
        "    odconv_torch.set_strategy(layer, 'native')\n"
        "assert layer.strategy.name == 'auto'\n"
    )
    environment = {**os.environ, **empty}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
    run = command("build", **empty)
    assert run.returncode == 1 and "expected a C++ compiler" in run.stderr
    assert "Traceback" not in run.stderr and not list(tmp_path.glob("**/*.so"))


@needs_compiler
def test_a_compiler_that_fails_is_quoted(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    monkeypatch.setenv("CXXFLAGS", "-no-such-flag")
    with pytest.raises(RuntimeError, match=r"no-such-flag ended with 1|-no-such-flag"):
        native.build()
    assert not native.path().exists()


def test_other_flags_and_sources_are_other_files(monkeypatch, tmp_path):
    before = native.path()
    monkeypatch.setenv("CXXFLAGS", "-O1")
    assert native.path() != before
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    assert native.path().is_relative_to(tmp_path)


def command(*arguments, **environment):
    line = [sys.executable, "-m", "odconv_torch.native", *arguments]
    environment = {**os.environ, **environment}
    return subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
