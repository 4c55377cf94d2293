"""Lightning, Accelerate, and timm's averages of weights."""

from __future__ import annotations

import sys

import lightning
import pytest
import torch
from accelerate import (
    Accelerator,
    cpu_offload,
    disk_offload,
    init_empty_weights,
    load_checkpoint_and_dispatch,
)
from safetensors.torch import load_file, save_file
from timm.utils import ModelEmaV2, ModelEmaV3
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from odconv_torch import (
    CondConv2d,
    DyConv2d,
    ODConv2d,
    TemperatureScheduler,
    create_model,
    set_temperature,
)
from tests.processes import run_process

CPU = torch.device("cpu")


def network():
    return nn.Sequential(ODConv2d(4, 8, 3), DyConv2d(8, 8, 3), nn.ReLU(), CondConv2d(8, 6, 1))


def random_network(seed=0):
    torch.manual_seed(seed)
    model = network().eval()
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.rand_like(value) + 0.1)
    return model


def some_map():
    return torch.randn(3, 4, 9, 8)


class Classifier(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = create_model("od_mobilenetv2_050", num_classes=3)
        self.scheduler = TemperatureScheduler(self.net, steps=2)

    def training_step(self, batch, index):
        return F.cross_entropy(self.net(batch[0]), batch[1])

    def on_train_batch_end(self, *arguments):
        self.scheduler.step()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.01)


@pytest.mark.filterwarnings("ignore")
def test_lightning_trains_and_its_checkpoint_converts(tmp_path):
    model = Classifier()
    start = model.net.state_dict()["features.2.conv.0.0.weight"].clone()
    data = TensorDataset(torch.randn(8, 3, 32, 24), torch.arange(8) % 3)
    trainer = lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(model, DataLoader(data, 4))
    assert not torch.equal(model.net.state_dict()["features.2.conv.0.0.weight"], start)
    assert model.scheduler.temperature == 1
    file = tmp_path / "last.ckpt"
    trainer.save_checkpoint(file)
    x = torch.randn(2, 3, 32, 24)
    expected = model.eval().net(x)
    back = Classifier.load_from_checkpoint(file, weights_only=False).eval()
    set_temperature(back, 1)
    assert torch.equal(back.net(x), expected)
    run_process(
        [
            sys.executable,
            "-m",
            "odconv",
            "convert",
            file,
            tmp_path / "a.safetensors",
        ],
    )
    converted = create_model("od_mobilenetv2_050", num_classes=3).eval()
    converted.load_state_dict(load_file(tmp_path / "a.safetensors"), strict=True)
    assert torch.equal(converted(x), expected)


@torch.no_grad()
@pytest.mark.parametrize("buffers", [False, True])
def test_accelerate_starts_without_memory(tmp_path, buffers):
    model, x = random_network(), some_map()
    save_file(model.state_dict(), tmp_path / "model.safetensors", {"format": "pt"})
    with init_empty_weights(include_buffers=buffers):
        empty = network()
    file = str(tmp_path / "model.safetensors")
    loaded = load_checkpoint_and_dispatch(empty, file, device_map={"": "cpu"}).eval()
    assert torch.equal(loaded(x), model(x))


@torch.no_grad()
def test_accelerate_keeps_arrays_elsewhere(tmp_path):
    x = some_map()
    expected = random_network()(x)
    assert torch.equal(cpu_offload(random_network(), CPU)(x), expected)
    assert torch.equal(disk_offload(random_network(), tmp_path, CPU)(x), expected)


def test_accelerate_trains_and_goes_on(tmp_path):
    accelerator, x = Accelerator(cpu=True), some_map()
    model = random_network()
    model, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), 1e-3))
    accelerator.backward(model(x).square().mean())
    optimizer.step()
    expected = model(x)
    accelerator.save_state(tmp_path)
    with torch.no_grad():
        for value in model.parameters():
            value.mul_(2)
    accelerator.load_state(tmp_path)
    assert torch.equal(model(x), expected)


@torch.no_grad()
@pytest.mark.parametrize("average", [ModelEmaV2, ModelEmaV3])
def test_timms_average(average):
    """It copies what is stored, so that the temperature of the copy is scheduled beside it."""
    models = [random_network(seed) for seed in (0, 1)]
    averaged = average(models[0], decay=0.75)
    scheduler = TemperatureScheduler(nn.ModuleList([models[1], averaged.module]), steps=1)
    scheduler.step()
    averaged.update(models[1], **({"step": 9} if average is ModelEmaV3 else {}))
    expected = network().eval()
    blended = {}
    for (name, first), second in zip(
        models[0].state_dict().items(), models[1].state_dict().values(), strict=True
    ):
        blended[name] = (0.75 * first + 0.25 * second).to(first.dtype)
    expected.load_state_dict(blended)
    x = some_map()
    torch.testing.assert_close(averaged.module(x), expected(x), rtol=1e-5, atol=1e-5)
