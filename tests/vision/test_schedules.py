"""The temperature where Lightning and timm take a scheduler."""

from __future__ import annotations

import lightning
import pytest
import torch
from timm.scheduler import CosineLRScheduler
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from odconv_torch import TemperatureLR, TemperatureScheduler, create_model
from odconv_torch.lightning import TemperatureCallback
from odconv_torch.timm import RateAndTemperature

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's advice
BATCHES, EPOCHS = 3, 2


class Classifier(lightning.LightningModule):
    """Keeps the temperature and the rate that each batch is trained with."""

    def __init__(self, slot=False):
        super().__init__()
        self.net = create_model("od_resnet18", num_classes=3, stages=[[8, 1]], stem_channels=8)
        self.slot = slot
        self.temperatures, self.rates = [], []

    def training_step(self, batch, index):
        self.temperatures.append(self.net.layer1[0].conv1.attention.temperature.item())
        self.rates.append(self.optimizers().param_groups[0]["lr"])
        return F.cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), 0.1)
        if not self.slot:
            return optimizer
        rates = torch.optim.lr_scheduler.StepLR(optimizer, 1)
        temperature = TemperatureLR(optimizer, self.net, steps=4, start=9.0)
        return [optimizer], [rates, {"scheduler": temperature, "interval": "step"}]


class Endless(IterableDataset):
    def __iter__(self):
        while True:
            yield torch.randn(3, 32, 24), 0


def batches():
    images = torch.randn(2 * BATCHES, 3, 32, 24)
    return DataLoader(TensorDataset(images, torch.arange(2 * BATCHES) % 3), 2)


def fit(module, epochs=EPOCHS, checkpoint=None, loader=None, **options):
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
    trainer.fit(module, batches() if loader is None else loader, ckpt_path=checkpoint)
    return trainer


def callback(**options):
    return {"callbacks": [TemperatureCallback(**{"start": 9.0} | options)]}


def test_a_callback_of_lightning():
    module = Classifier()
    fit(module, **callback(epochs=4 / 3))
    assert module.temperatures == [9.0, 7.0, 5.0, 3.0, 1.0, 1.0]


def test_a_callback_counts_steps_of_the_optimiser():
    module = Classifier()
    fit(module, accumulate_grad_batches=2, **callback(epochs=1))
    assert module.temperatures == [9.0, 9.0, 5.0, 1.0, 1.0, 1.0]


def test_the_slot_of_lightning():
    module = Classifier(slot=True)
    fit(module)
    assert module.temperatures == [9.0, 7.0, 5.0, 3.0, 1.0, 1.0]
    assert module.rates == pytest.approx([0.1] * 3 + [0.01] * 3)


@pytest.mark.parametrize("slot", [False, True])
def test_lightning_goes_on(tmp_path, slot):
    options = {} if slot else callback(epochs=4 / 3)
    fit(Classifier(slot), epochs=1, **options).save_checkpoint(tmp_path / "last.ckpt")
    module = Classifier(slot)
    fit(module, checkpoint=tmp_path / "last.ckpt", **options)
    assert module.temperatures == [3.0, 1.0, 1.0]


def test_options_and_loaders_that_do_not_fit():
    with pytest.raises(ValueError, match="epochs: expected a positive number, received 0"):
        TemperatureCallback(epochs=0)
    with pytest.raises(ValueError, match="end: expected"):
        TemperatureCallback(end=-1.0)
    endless = DataLoader(Endless(), 2)
    with pytest.raises(ValueError, match="expected a loader with a length"):
        fit(Classifier(), loader=endless, **callback())


def both(model, optimizer, **options):
    rates = CosineLRScheduler(optimizer, t_initial=4, **options)
    return RateAndTemperature(rates, TemperatureScheduler(model, steps=4, start=9.0), BATCHES)


@pytest.mark.parametrize("in_epochs", [True, False])
def test_the_slot_of_timm(in_epochs):
    """As in timm's train.py, which calls both at the end of an epoch."""
    model = create_model("od_resnet18", num_classes=3, stages=[[8, 1]], stem_channels=8)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    scheduler = both(model, optimizer, t_in_epochs=in_epochs)
    alone = torch.optim.SGD(model.parameters(), 0.1)
    rates, temperatures = CosineLRScheduler(alone, t_initial=4, t_in_epochs=in_epochs), []
    for epoch in range(EPOCHS):
        for batch in range(1, BATCHES + 1):
            temperatures.append(model.layer1[0].conv1.attention.temperature.item())
            for each in (scheduler, rates):
                each.step_update(num_updates=epoch * BATCHES + batch, metric=0.5)
        for each in (scheduler, rates):
            each.step(epoch + 1, metric=0.5)
        assert optimizer.param_groups[0]["lr"] == alone.param_groups[0]["lr"] < 0.1
    assert temperatures == [9.0, 7.0, 5.0, 3.0, 1.0, 1.0]


def test_timm_goes_on():
    model = create_model("od_resnet18", num_classes=3, stages=[[8, 1]], stem_channels=8)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    scheduler = both(model, optimizer)
    scheduler.step(1)  # all that timm's train.py does
    assert scheduler.temperature.temperature == 3.0
    other = both(model, optimizer)
    other.load_state_dict(scheduler.state_dict())
    assert other.temperature.temperature == 3.0
