"""A network on classes of one's own: what all frameworks do, and what only PyTorch has."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from odconv_torch import Features, create_model

RESNET = {"stages": [[8, 1], [12, 1]], "stem_channels": 8, "num_classes": 5}
MOBILENET = {"stages": [[1, 16, 1, 1], [3, 24, 2, 2]], "num_classes": 5}
SMALL = {"od_resnet18": RESNET, "cond_mobilenetv2_050": MOBILENET}


def small(name="od_resnet18", **options):
    torch.manual_seed(0)
    return create_model(name, **SMALL[name] | options)


def images(batch=2):
    return torch.randn(batch, 3, 32, 40)


def frozen(model):
    return {n for n, p in model.named_parameters() if not p.requires_grad}


@pytest.mark.parametrize("name", SMALL)
def test_what_the_classifier_takes(name):
    model, x = small(name).eval(), images()
    features = model.forward_features(x)
    before = model.forward_head(features, pre_logits=True)
    assert torch.equal(before, features.mean((2, 3)))
    model.reset_classifier(0)
    assert torch.equal(model(x), before)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("passed_on", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_network_with_a_new_head_is_passed_on(name, passed_on):
    model, x = small(name).eval(), images()
    model.reset_classifier(3)
    model.freeze_stages(0)
    other = passed_on(model)
    assert torch.equal(other(x), model(x))
    assert frozen(other) == frozen(model) != set()
    assert other.spec.num_classes == 3
    small(name, num_classes=3).load_state_dict(model.state_dict(), strict=True)


@pytest.mark.filterwarnings("ignore")  # of traces
@pytest.mark.parametrize(
    "name", ["od_resnet18", pytest.param("cond_mobilenetv2_050", marks=pytest.mark.slow)]
)
def test_compilers_see_a_new_head(name):
    model, x = small(name).eval(), images()
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    assert compiled(x).shape == (2, 5)
    model.reset_classifier(3)
    graph = torch.fx.symbolic_trace(model)
    with torch.no_grad():
        traced = torch.jit.trace(model, x)
        for other in (compiled, graph, traced):
            torch.testing.assert_close(other(x), model(x))


def test_frozen_parameters_get_no_gradient_and_do_not_decay():
    model = small()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.freeze_stages(1)
    assert frozen(model) == {
        n for n, _ in model.named_parameters() if n.startswith(("conv1.", "bn1.", "layer1."))
    }
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1)
    model.train()(images(4)).square().mean().backward()
    optimizer.step()
    same = {n for n, value in model.state_dict().items() if torch.equal(value, before[n])}
    assert all(name in same for name in before if name.startswith(("conv1.", "bn1.", "layer1.")))
    assert "layer2.0.conv1.weight" not in same
    assert "fc.weight" not in same


def test_stages_are_thawed_again():
    model = small()
    model.fc.requires_grad_(False)
    model.freeze_stages(1)
    model.freeze_stages(0)
    assert frozen(model) == {"conv1.weight", "bn1.weight", "bn1.bias", "fc.weight", "fc.bias"}
    assert model.layer1.training
    assert not model.bn1.training
    model.freeze_stages(None)
    assert frozen(model) == {"fc.weight", "fc.bias"}
    assert model.bn1.training


@pytest.mark.parametrize("wrap", [nn.Sequential, lambda m: nn.ModuleDict({"net": m})])
def test_frozen_inside_another_network(wrap):
    model = small()
    model.freeze_stages(0)
    outer = wrap(model).train()
    assert outer.training
    assert not model.conv1.training
    assert model.layer1.training


def test_a_frozen_body():
    model = small()
    body = Features(model, out_indices=(1,))
    body.freeze_stages(0)
    body.train()
    assert frozen(body) == {"backbone.conv1.weight", "backbone.bn1.weight", "backbone.bn1.bias"}
    assert not body.backbone.bn1.training
    with pytest.raises(ValueError, match=r"one of 0 \(bn1\), 1 \(layer1\), or None"):
        body.freeze_stages(2)


def trained(model, x):
    """Outputs, gradients, and how many numbers are kept for the backward pass."""
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        y = model.train()(x)
    y.square().mean().backward()
    return y, [p.grad for p in model.parameters()], sum(tensor.numel() for tensor in kept)


@pytest.mark.parametrize("name", SMALL)
def test_checkpoints_of_activations(name):
    x = images(4)
    y, gradients, kept = trained(small(name, head_init="published"), x)
    model = small(name, head_init="published")
    model.set_grad_checkpointing()
    found, found_gradients, fewer = trained(model, x)
    torch.testing.assert_close(found, y)
    torch.testing.assert_close(found_gradients, gradients)
    assert fewer < kept


@pytest.mark.parametrize("name", SMALL)
def test_checkpoints_of_activations_of_a_body(name):
    model, x = small(name).eval(), images()
    body = Features(model, out_indices=(0, 1))
    expected = body(x)
    body.set_grad_checkpointing()
    for y, other in zip(body(x), expected, strict=True):
        assert torch.equal(y, other)


@pytest.mark.parametrize("name", SMALL)
def test_intermediate_maps(name):
    model, x = small(name).eval(), images()
    maps = model.forward_stages(x)
    last, found = model.forward_intermediates(x)
    assert torch.equal(last, model.forward_features(x))
    torch.testing.assert_close(found, maps, rtol=0, atol=0)
    last, found = model.forward_intermediates(x, indices=[0], stop_early=True)
    assert torch.equal(last, maps[0])
    torch.testing.assert_close(found, maps[:1], rtol=0, atol=0)
    found = model.forward_intermediates(x, indices=1, intermediates_only=True)
    torch.testing.assert_close(found, maps[-1:], rtol=0, atol=0)
    with pytest.raises(ValueError, match="output_fmt: expected 'NCHW', received 'NHWC'"):
        model.forward_intermediates(x, output_fmt="NHWC")
