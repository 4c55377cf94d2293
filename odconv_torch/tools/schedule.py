"""The temperature as training proceeds."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from odconv_torch.layers import set_temperature
from odconv_torch.layers.temperature import annealing_of


class TemperatureScheduler:
    """Lowers the temperature of every dynamic convolution in a network, linearly.

    ODConv and DyConv are published with 30 to 1 over the first ten epochs, so with `steps` ten
    times the number of batches of an epoch; KernelWarehouse with 1 to 0 over twenty. Used like the
    schedulers of `torch.optim`: the temperature is set at once, and `step` is called after each
    step of the optimiser.

    Args:
        model: the network; convolutions without a temperature are left alone.
        steps: after how many steps `end` is reached. It then stays.
        start: the first temperature; None is as published for the network's convolutions.
        end: the last temperature, likewise.

    Raises:
        ValueError: `steps` is not positive, or a temperature is out of range.

    Example:
        >>> model = nn.Sequential(ODConv2d(3, 8, 3), nn.ReLU(), DyConv2d(8, 8, 3))
        >>> scheduler = TemperatureScheduler(model, steps=100)
        >>> for batch in range(50):
        ...     scheduler.step()  # after the step of the optimiser
        >>> scheduler.temperature
        15.5
    """

    def __init__(
        self, model: nn.Module, steps: int, start: float | None = None, end: float | None = None
    ) -> None:
        published = annealing_of(model)
        self.model = model
        self.steps = steps
        self.start = published.start if start is None else start
        self.end = published.end if end is None else end
        self.last_step = 0
        self._apply()

    @property
    def temperature(self) -> float:
        """The temperature that the network has now.

        Returns:
            A number, 1 at least.
        """
        return annealing_of(self.model).at(self.last_step, self.steps, self.start, self.end)

    def step(self) -> None:
        """Sets the temperature of the next step."""
        self.step_to(self.last_step + 1)

    def step_to(self, step: int) -> None:
        """Sets the temperature after `step` steps of the optimiser, for code that counts them."""
        self.last_step = step
        self._apply()

    def state_dict(self) -> dict[str, Any]:
        """All but the network, for a checkpoint.

        Returns:
            Name -> number, which `load_state_dict` takes.
        """
        return {name: value for name, value in vars(self).items() if name != "model"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on where another scheduler's `state_dict` stopped, and sets that temperature.

        Raises:
            ValueError: `state_dict` is not of a temperature scheduler.
        """
        if set(state_dict) != set(self.state_dict()):
            raise ValueError(
                f"state_dict: expected {sorted(self.state_dict())}, received {sorted(state_dict)}"
            )
        vars(self).update(state_dict)
        self._apply()

    def _apply(self) -> None:
        set_temperature(self.model, self.temperature)


class TemperatureLR(LRScheduler):
    """`TemperatureScheduler` where a scheduler of `torch.optim` is asked for.

    Lightning takes it in `configure_optimizers`, and `torch.optim.lr_scheduler.ChainedScheduler`
    beside one of learning rates. It leaves the learning rates alone.

    Args:
        optimizer: that of the network.
        model: the network; convolutions without a temperature are left alone.
        steps: after how many calls of `step` the temperature `end` is reached. It then stays.
        start: the first temperature; None is as published for the network's convolutions.
        end: the last temperature, likewise.

    Raises:
        ValueError: `steps` is not positive, or a temperature is out of range.

    Example:
        >>> model = nn.Sequential(ODConv2d(3, 8, 3))
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> scheduler = TemperatureLR(optimizer, model, steps=100)
        >>> for batch in range(50):
        ...     optimizer.step()
        ...     scheduler.step()
        >>> scheduler.temperature, scheduler.get_last_lr()
        (15.5, [0.1])
    """

    def __init__(
        self,
        optimizer: Optimizer,
        model: nn.Module,
        steps: int,
        start: float | None = None,
        end: float | None = None,
    ) -> None:
        self.schedule = TemperatureScheduler(model, steps, start, end)
        super().__init__(optimizer)  # which calls `step` once, for the start

    @property
    def temperature(self) -> float:
        """The temperature that the network has now.

        Returns:
            A number, 1 at least.
        """
        return self.schedule.temperature

    def get_lr(self) -> list[Any]:
        """The learning rates as they are.

        Returns:
            A rate for each group of parameters.
        """
        return [group["lr"] for group in self.optimizer.param_groups]

    def step(self, epoch: int | None = None) -> None:
        """Sets the temperature of the next step."""
        super().step(epoch)
        self.schedule.step_to(self.last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """All but the network and the optimiser, for a checkpoint.

        Returns:
            Name -> value, which `load_state_dict` takes.
        """
        own = {k: v for k, v in super().state_dict().items() if k != "schedule"}
        return own | {"schedule": self.schedule.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on where another scheduler's `state_dict` stopped, and sets that temperature.

        Raises:
            ValueError: `state_dict` is not of such a scheduler.
        """
        own = dict(state_dict)
        self.schedule.load_state_dict(own.pop("schedule", {}))
        super().load_state_dict(own)
