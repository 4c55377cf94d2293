"""Checkpoints of a network that torch's own tools have wrapped, averaged, pruned or normed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.nn.utils import parametrizations, parametrize, prune
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from odconv_spec import model_spec
from odconv_torch import create_model
from odconv_torch.models import build_model
from parity_tests.outputs.verify import verify_outputs
from tests.converter.helpers import SMALL_RESNET
from weights_converter import RefusedError, convert, extract, load_into
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request

SPEC = model_spec("od_resnet18", kernel_num=2, **SMALL_RESNET)


def network() -> nn.Module:
    """With random numbers everywhere, the statistics of batch norms included."""
    torch.manual_seed(0)
    model = build_model(SPEC)
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) + 0.1 if "var" in name else torch.randn_like(value))
    return model.eval()


def checkpointed(model: nn.Module) -> nn.Module:
    """Layers within the network are wrapped, the network is not."""
    model.layer1[0] = checkpoint_wrapper(model.layer1[0])
    model.layer2 = checkpoint_wrapper(model.layer2)
    return model


def inner_average(model: nn.Module) -> nn.Module:
    """A module of training around an average, as Lightning has it."""
    whole = nn.Module()
    whole.model = AveragedModel(torch.compile(model))
    return whole


WRAPPED = {
    "DataParallel": nn.DataParallel,
    "compile": torch.compile,
    "checkpoint": checkpointed,
    "average": AveragedModel,
    "EMA": lambda m: AveragedModel(m, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True),
    "mixture": lambda m: AveragedModel(torch.compile(nn.DataParallel(checkpointed(m)))),
    "in a module": inner_average,
}


@pytest.mark.parametrize("tool", WRAPPED)
def test_wrappers(tmp_path, tool):
    wrapped = WRAPPED[tool](network())
    if tool != "checkpoint":  # whose hook takes its part off again, unless others are around it
        assert wrapped.state_dict().keys() != network().state_dict().keys()
    torch.save({"state_dict": wrapped.state_dict(), "epoch": 20}, tmp_path / "x.pth")
    report = convert(tmp_path / "x.pth", tmp_path / "y.pth")
    assert report.spec == SPEC
    assert_state(tmp_path / "y.pth", network().state_dict())
    model = build_model(SPEC)
    load_into(model, tmp_path / "x.pth")
    assert_arrays(extract(model), extract(network()))
    averaged = [note for note in report.notes if "n_averaged" in note]
    assert len(averaged) == ("n_averaged" in str(list(wrapped.state_dict())))


def assert_state(path, expected):
    found = torch.load(path, weights_only=True)
    build_model(SPEC).load_state_dict(found)  # strictly
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(found[name], value), name


def assert_arrays(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].tobytes() == array.tobytes(), name


def pruned(model: nn.Module) -> None:
    prune.l1_unstructured(model.layer1[0].conv1, "weight", amount=0.3)
    prune.random_structured(model.layer2[0].conv2, "weight", amount=0.5, dim=1)
    prune.random_unstructured(model.fc, "bias", amount=2)


def removed(model: nn.Module) -> None:
    prune.remove(model.layer1[0].conv1, "weight")
    prune.remove(model.layer2[0].conv2, "weight")
    prune.remove(model.fc, "bias")


def test_a_pruned_network(tmp_path):
    model = network()
    pruned(model)
    torch.save(model.state_dict(), tmp_path / "x.pth")
    report = convert(tmp_path / "x.pth", tmp_path / "y.pth")
    assert "folded 3 pruned arrays, orig * mask" in report.notes
    removed(model)  # what torch itself makes of it
    assert_state(tmp_path / "y.pth", model.state_dict())
    with pytest.raises(RefusedError):  # a mask alone is no mistake of the file's reader
        open_model(_without(tmp_path, "fc.bias_mask"))


def _without(tmp_path, name):
    state = torch.load(tmp_path / "x.pth", weights_only=True)
    del state[name]
    torch.save(state, tmp_path / "less.pth")
    return tmp_path / "less.pth"


NORMS = {
    "hook": lambda module, dim: nn.utils.weight_norm(module, dim=dim),
    "parametrization": lambda module, dim: parametrizations.weight_norm(module, dim=dim),
}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("dim", [0, 2, None])
@pytest.mark.parametrize("norm", NORMS)
def test_a_network_under_weight_norm(tmp_path, norm, dim):
    model = network()
    layers = (model.layer1[0].conv1, model.fc)
    for layer, axis in zip(layers, (dim, 0), strict=True):
        NORMS[norm](layer, axis)
        for name, value in layer.named_parameters(recurse=norm == "parametrization"):
            if name.endswith(("_g", "original0")):
                nn.init.uniform_(value, 0.5, 2)
    model(torch.rand(2, 3, 40, 56))  # the hook computes the weight
    torch.save(model.state_dict(), tmp_path / "x.pth")
    report = convert(tmp_path / "x.pth", tmp_path / "y.pth")
    assert any(note.startswith("folded 2 weight norms") for note in report.notes)
    found = torch.load(tmp_path / "y.pth", weights_only=True)
    for name, layer in zip(("layer1.0.conv1", "fc"), layers, strict=True):
        # torch computes in float32: a few units in the last place.
        torch.testing.assert_close(found[f"{name}.weight"], layer.weight, rtol=1e-6, atol=0)
    same = build_model(SPEC)
    same.load_state_dict(found)
    images = torch.rand(2, 3, 40, 56)
    torch.testing.assert_close(same.eval()(images), model(images), rtol=1e-4, atol=1e-4)


def another(module: nn.Module) -> None:
    class Doubled(nn.Module):
        def forward(self, weight):
            return 2 * weight

    parametrize.register_parametrization(module, "weight", Doubled())


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    ("apply", "what"),
    [
        (nn.utils.spectral_norm, "weights under spectral norm: fc.weight_u"),
        (parametrizations.spectral_norm, "weights under spectral norm: fc.parametrizations."),
        (parametrizations.orthogonal, "parametrized weights: fc.parametrizations.weight.original"),
        (another, "parametrized weights: fc.parametrizations.weight.original"),
    ],
)
def test_what_cannot_be_folded(tmp_path, apply, what):
    model = network()
    apply(model.fc)
    torch.save(model.state_dict(), tmp_path / "x.pth")
    for opens in (open_model, lambda path: load_into(build_model(SPEC), path)):
        with pytest.raises(RefusedError) as error:
            opens(tmp_path / "x.pth")
        assert str(error.value).startswith(f"x.pth has {what}")
    if apply is not nn.utils.spectral_norm:
        parametrize.remove_parametrizations(model.fc, "weight")  # as the advice says
        torch.save(model.state_dict(), tmp_path / "y.pth")
        assert open_model(tmp_path / "y.pth").spec == SPEC


def test_a_loss_beside_the_model(tmp_path):
    whole = nn.Module()
    whole.model, whole.criterion = network(), nn.Linear(5, 3)
    torch.save({"state_dict": whole.state_dict()}, tmp_path / "x.pth")
    model = build_model(SPEC)
    with pytest.raises(ValueError, match="others do not"):
        load_into(model, tmp_path / "x.pth")
    load_into(model, Request(tmp_path / "x.pth", ignore="criterion.*"))
    assert_arrays(extract(model), extract(network()))


def test_arrays_of_numpy(tmp_path):
    state = {name: value.numpy() for name, value in network().state_dict().items()}
    torch.save({"model": state}, tmp_path / "x.pth")
    convert(tmp_path / "x.pth", tmp_path / "y.pth")
    assert_state(tmp_path / "y.pth", network().state_dict())


@pytest.mark.slow
def test_outputs_and_scores_without_the_loss(tmp_path):
    """What runs a framework takes the option, too."""
    from odconv import evaluate

    torch.manual_seed(0)
    model = create_model("od_resnet18", num_classes=10, stages=[[8, 1], [12, 1]])
    torch.save(model.state_dict(), tmp_path / "plain.pth")
    loss = {"criterion.weight": torch.ones(3)}
    torch.save({**model.state_dict(), **loss}, tmp_path / "x.pth")
    [found] = verify_outputs(
        Request(tmp_path / "x.pth", ignore="criterion.*"),
        tmp_path / "plain.pth",
        runtimes=["torch"],
    )
    assert found.equal and all(row.absolute == 0 for row in found.layers)
    scores = [
        evaluate(Request(tmp_path / name, ignore=ignore), "digits", "torch").score
        for name, ignore in (("plain.pth", ()), ("x.pth", "criterion.*"))
    ]
    assert np.array_equal(scores[0].confusion, scores[1].confusion)
