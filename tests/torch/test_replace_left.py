"""Convolutions that are left as they are, and why."""

from __future__ import annotations

import copy

import pytest
import torch
from helpers import KINDS, LAYERS, close
from torch import distributed, fx, nn
from torch.nn.utils import parametrizations, prune

from odconv_torch import replace_convs
from odconv_torch.layers import DynamicConv


def three(middle):
    return nn.Sequential(nn.Conv2d(3, 4, 3), middle, nn.Conv2d(4, 5, 1))


def left(model, **options):
    replaced = replace_convs(model, "dy", **options)
    return [change.path for change in replaced.changes], dict(replaced.skipped)


@pytest.mark.parametrize("kind", KINDS)
def test_each_array_stays_frozen_or_not(kind):
    """As in fine-tuning."""
    model = three(nn.Conv2d(4, 4, 3)).requires_grad_(False)
    model[1].bias.requires_grad_(True)
    assert left(copy.deepcopy(model))[0] == []
    assert [c.path for c in replace_convs(model, kind, frozen=True).changes] == ["1", "2"]
    assert [n for n, p in model.named_parameters() if p.requires_grad] == ["1.bias"]


def hooked(register):
    conv = nn.Conv2d(4, 4, 3)
    register(conv)
    return conv


def with_forward():
    conv = nn.Conv2d(4, 4, 3)
    conv.forward = lambda x: x
    return conv


class Own(nn.Conv2d):
    def forward(self, x):
        return super().forward(x.relu())


@pytest.mark.filterwarnings("ignore:Lazy modules", "ignore:.*weight_norm.* is deprecated")
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Own(4, 4, 3), "a forward of its own"),
        (with_forward, "a forward of its own"),
        (lambda: nn.LazyConv2d(4, 3), "before its first input"),
        (lambda: parametrizations.weight_norm(nn.Conv2d(4, 4, 3)), "computes it anew"),
        (lambda: nn.utils.weight_norm(nn.Conv2d(4, 4, 3)), "computes it anew"),
        (lambda: parametrizations.spectral_norm(nn.Conv2d(4, 4, 3)), "computes it anew"),
        (lambda: nn.utils.spectral_norm(nn.Conv2d(4, 4, 3)), "computes it anew"),
        (lambda: prune.l1_unstructured(nn.Conv2d(4, 4, 3), "weight", 0.5), "computes it anew"),
        (lambda: prune.l1_unstructured(nn.Conv2d(4, 4, 3), "bias", 0.5), "bias"),
        (lambda: hooked(lambda c: c.register_forward_hook(print)), "no hooks"),
        (lambda: hooked(lambda c: c.register_forward_pre_hook(print)), "no hooks"),
        (lambda: hooked(lambda c: c.register_full_backward_hook(print)), "no hooks"),
        (lambda: hooked(lambda c: c.register_full_backward_pre_hook(print)), "no hooks"),
        (lambda: hooked(lambda c: c.weight.register_hook(print)), "no hooks"),
        (
            lambda: hooked(lambda c: c.bias.register_post_accumulate_grad_hook(print)),
            "no hooks",
        ),
        (lambda: nn.Conv2d(4, 4, 3, dtype=torch.complex64), "torch.complex64"),
        (lambda: nn.Conv2d(4, 4, 3, device="meta"), "load them before"),
        (lambda: nn.ConvTranspose2d(4, 4, 3), "received ConvTranspose2d"),
    ],
)
def test_what_would_be_lost_is_left_and_named(make, reason):
    model = three(make())
    before = model[1]
    changes, skipped = left(model)
    assert changes == ["2"]
    assert list(skipped) == ["1"]
    assert reason in skipped["1"]
    assert model[1] is before


@pytest.mark.parametrize("name", ["weight", "bias"])
def test_tied_arrays_stay_tied(name):
    model = nn.Sequential(*(nn.Conv2d(4, 4, 3) for _ in range(4)))
    setattr(model[3], name, getattr(model[1], name))
    changes, skipped = left(model)
    assert changes == ["2"]
    assert skipped["1"].endswith(f"with one of 3.{name}")
    assert skipped["3"].endswith(f"with one of 1.{name}")
    assert getattr(model[3], name) is getattr(model[1], name)


def test_a_weight_that_is_tied_to_another_kind_of_layer():
    model = three(nn.Conv2d(4, 4, 3))
    model.append(nn.Module())
    model[3].register_parameter("kernel", model[1].weight)
    assert "3.kernel" in left(model)[1]["1"]


def test_on_the_meta_device_kernels_may_be_fresh():
    with torch.device("meta"):
        model = three(nn.Conv2d(4, 4, 3))
    changes, skipped = left(model, keep_function=False)
    assert (changes, skipped) == (["1", "2"], {})
    assert model[1].weight.is_meta


def test_distributed_data_parallel_keeps_its_parameters(tmp_path):
    store = distributed.FileStore(str(tmp_path / "store"), 1)
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        model = three(nn.Conv2d(4, 4, 3))
        wrapped = nn.parallel.DistributedDataParallel(model)
        changes, skipped = left(wrapped)
        assert changes == []
        assert list(skipped) == ["module.1", "module.2"]
        assert "replace before wrapping" in skipped["module.1"]
        assert left(model) == (["1", "2"], {})
    finally:
        distributed.destroy_process_group()


@pytest.mark.parametrize("kind", KINDS)
def test_a_graph_of_fx_keeps_its_function(kind):
    net = nn.ModuleDict({"a": nn.Conv2d(3, 4, 3), "b": nn.Conv2d(4, 6, 3, groups=2)})
    graph = fx.symbolic_trace(nn.Sequential(*net.values(), nn.Conv2d(6, 1, 1)).double())
    x = torch.randn(2, 3, 9, 8, dtype=torch.float64)
    expected = graph(x)
    assert [change.path for change in replace_convs(graph, kind).changes] == ["1", "2"]
    assert isinstance(graph.get_submodule("2"), LAYERS[kind][1])
    close(graph(x), expected, 1e-10)


def test_a_single_channel_and_a_list_of_layers():
    class Lists(nn.Module):
        def __init__(self):
            super().__init__()
            self.convs = nn.ModuleList([nn.Conv1d(1, 4, 3), nn.Conv1d(4, 1, 3), nn.Conv1d(1, 1, 2)])
            self.scales = nn.ParameterList([torch.ones(1), torch.full((1,), 2.0)])

        def forward(self, x):
            for conv, scale in zip(self.convs, [*self.scales, 1.0], strict=True):
                x = conv(x) * scale
            return x

    model = Lists().double()
    x = torch.randn(3, 1, 12, dtype=torch.float64)
    expected = model(x)
    assert left(model, where=lambda path, conv: True)[0] == ["convs.0", "convs.1", "convs.2"]
    assert all(isinstance(conv, DynamicConv) for conv in model.convs)
    close(model(x), expected, 1e-10)
