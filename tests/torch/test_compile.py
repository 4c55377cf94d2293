"""torch.compile and torch.export: one program for every batch size."""

from __future__ import annotations

import pytest
import torch
from helpers import ABLATIONS, KINDS, LAYERS, randomised
from torch import nn
from torch.export import Dim, export

from odconv_torch import CondConv2d, create_model
from tests.quick import quick

BATCHES = (1, 2, 5)
NETWORKS = {
    "od_resnet18": {"stages": [[8, 1], [12, 1]], "stem_channels": 8},
    "dy_resnet50": {"stages": [[8, 1], [12, 1]], "stem_channels": 8},
    "cond_resnet18": {"stages": [[8, 1], [12, 1]], "stem_channels": 8},
    "cond_mobilenetv2_050": {"stages": [[1, 16, 1, 1], [3, 24, 2, 2]]},
}
SLOW = pytest.mark.slow
GEOMETRY = {"stride": (2, 1), "padding": 1, "groups": 2}
CASES = [
    ("od", 2, GEOMETRY),
    *(
        pytest.param(*case, marks=SLOW)
        for case in (
            *((kind, 2, GEOMETRY) for kind in ("dy", "cond")),
            *(
                (kind, rank, {"padding": "same", "dilation": 2})
                for kind in KINDS
                for rank in (1, 3)
            ),
            *((kind, 2, {"padding": 1, "padding_mode": "circular"}) for kind in KINDS),
            *(("od", 2, {"groups": 2, **options}) for options in ABLATIONS),
        )
    ),
]


def built(kind, rank, options):
    layer = LAYERS[kind][rank - 1](
        4, 6, (3, 2, 2)[:rank], bias=True, dtype=torch.float64, **options
    )
    return randomised(layer).eval()


def images(batch, rank=2):
    return torch.randn(batch, 4, *(9, 8, 7)[:rank], dtype=torch.float64)


def any_batch(x):
    """What tells the compiler that other batch sizes will come."""
    torch._dynamo.mark_dynamic(x, 0)
    return x


@pytest.mark.parametrize(("kind", "rank", "options"), CASES)
def test_one_exported_program(kind, rank, options):
    layer = built(kind, rank, options)
    batch = Dim("batch", min=1, max=1024)
    program = export(layer, (images(3, rank),), dynamic_shapes=({0: batch},)).module()
    for count in BATCHES:
        x = images(count, rank)
        torch.testing.assert_close(program(x), layer(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["od", pytest.param("dy", marks=SLOW)])
def test_an_exported_program_for_every_size_of_map(kind):
    layer = built(kind, 2, {"stride": 2, "padding": 1})
    sizes = ({0: Dim("batch", min=1), 2: Dim("height", min=5), 3: Dim("width", min=5)},)
    program = export(layer, (images(3),), dynamic_shapes=sizes).module()
    for shape in ((1, 4, 5, 12), (2, 4, 11, 6)):
        x = torch.randn(shape, dtype=torch.float64)
        torch.testing.assert_close(program(x), layer(x), rtol=1e-12, atol=1e-12)


def test_an_exported_program_of_a_shared_router():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = CondConv2d(4, 6, 3, router="shared", dtype=torch.float64)

        def forward(self, x, routing):
            return self.conv(x, routing)

    block = Block()
    batch = Dim("batch", min=1)
    arguments = (images(3), torch.rand(3, 8, dtype=torch.float64))
    program = export(block, arguments, dynamic_shapes=({0: batch}, {0: batch})).module()
    for count in BATCHES:
        arguments = (images(count), torch.rand(count, 8, dtype=torch.float64))
        torch.testing.assert_close(program(*arguments), block(*arguments), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "cond_resnet18" else SLOW) for name in NETWORKS]
)
def test_one_exported_network(name, tmp_path):
    torch.manual_seed(0)
    model = randomised(create_model(name, num_classes=5, **NETWORKS[name])).double().eval()
    x = torch.randn(3, 3, 32, 40, dtype=torch.float64)
    exported = export(model, (x,), dynamic_shapes=({0: Dim("batch", min=1)},))
    torch.export.save(exported, tmp_path / "model.pt2")
    program = torch.export.load(tmp_path / "model.pt2").module()
    for count in BATCHES:
        x = torch.randn(count, 3, 32, 40, dtype=torch.float64)
        torch.testing.assert_close(program(x), model(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("kind", "rank", "options"), CASES)
def test_one_compiled_program(kind, rank, options):
    torch.compiler.reset()
    layer = built(kind, rank, options)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    compiled(any_batch(images(2, rank).requires_grad_()))
    with torch.compiler.set_stance("fail_on_recompile"):
        for count in (2, 5):
            x = images(count, rank).requires_grad_()
            found = torch.autograd.grad(compiled(x).square().sum(), x)
            expected = torch.autograd.grad(layer(x).square().sum(), x)
            torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("batch", quick([1], [0, 1]))
def test_a_compiled_program_of_few_samples(batch):
    torch.compiler.reset()
    layer = built("od", 2, GEOMETRY)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    x = images(batch)
    torch.testing.assert_close(compiled(x), layer(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("groups", [1, 4])
def test_the_operation_of_compiled_programs(groups):
    """Its schema, its shapes without values, its gradient: what torch asks of an operation."""
    x = images(3).requires_grad_()
    kernels = torch.randn(3, 8, 4 // groups, 3, 2, dtype=torch.float64, requires_grad=True)
    arguments = (x, kernels, (2, 1), (1, 0), (1, 1), groups)
    torch.library.opcheck(torch.ops.odconv.conv_of_each.default, arguments)


@pytest.mark.parametrize("groups", [1, 2])
def test_the_operation_of_tiles(groups):
    columns = torch.randn(9, groups, 6, 5, dtype=torch.float64, requires_grad=True)
    bank = torch.randn(3, groups, 4, 6, dtype=torch.float64, requires_grad=True)
    mixing = torch.rand(9, 3, dtype=torch.float64, requires_grad=True)
    torch.library.opcheck(torch.ops.odconv.product_of_tiles.default, (columns, bank, mixing))


@pytest.mark.parametrize("kind", quick(["od"], KINDS))
def test_large_kernels_are_mixed_in_tiles(kind):
    torch.compiler.reset()
    layer = randomised(LAYERS[kind][1](4, 24, 3, padding=1, dtype=torch.float64)).eval()
    targets = []

    def backend(graph, inputs):
        targets.extend(str(node.target) for node in graph.graph.nodes)
        return graph

    torch.compile(layer, backend=backend, fullgraph=True)(torch.rand(2, 4, 2, 3).double())
    assert any("product_of_tiles" in target for target in targets)
    torch.compiler.reset()
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    compiled(any_batch(torch.rand(3, 4, 2, 3, dtype=torch.float64, requires_grad=True)))
    with torch.compiler.set_stance("fail_on_recompile"):
        for count in (2, 9):
            x = torch.randn(count, 4, 2, 3, dtype=torch.float64, requires_grad=True)
            arrays = [x, *layer.parameters()]
            found = torch.autograd.grad(compiled(x).square().sum(), arrays)
            expected = torch.autograd.grad(layer(x).square().sum(), arrays)
            torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_a_compiled_program_sees_the_temperature_change():
    torch.compiler.reset()
    layer = built("od", 2, {})
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    x = images(2)
    cool = compiled(x)
    layer.set_temperature(20.0)
    with torch.compiler.set_stance("fail_on_recompile"):
        warm = compiled(x)
    assert not torch.allclose(warm, cool)
    torch.testing.assert_close(warm, layer(x), rtol=1e-12, atol=1e-12)


@SLOW
@pytest.mark.parametrize("name", NETWORKS)
def test_a_compiled_network_trains(name):
    torch.compiler.reset()
    torch.manual_seed(0)
    model = create_model(name, num_classes=5, head_init="published", **NETWORKS[name])
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    compiled(any_batch(torch.randn(2, 3, 32, 40))).sum().backward()
    with torch.compiler.set_stance("fail_on_recompile"):
        compiled(torch.randn(5, 3, 32, 40)).square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


@SLOW
@pytest.mark.parametrize("kind", KINDS)
def test_the_default_compiler(kind):
    torch.compiler.reset()
    layer = built(kind, 2, {"padding": 1})
    compiled = torch.compile(layer, fullgraph=True, dynamic=True)
    for count in (2, 5):
        x = images(count).requires_grad_()
        found = torch.autograd.grad(compiled(x).square().sum(), x)
        expected = torch.autograd.grad(layer(x).square().sum(), x)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
