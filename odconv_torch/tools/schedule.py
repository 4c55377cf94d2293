"""The temperature as training proceeds."""

from __future__ import annotations

from typing import Any

from torch import nn

from odconv_spec import linear_temperature
from odconv_torch.layers import set_temperature


class TemperatureScheduler:
    """Lowers the temperature of every dynamic convolution in a network, linearly.

    ODConv and DyConv are published with 30 to 1 over the first ten epochs, so with `steps` ten
    times the number of batches of an epoch. Used like the schedulers of `torch.optim`: the
    temperature is set at once, and `step` is called after each step of the optimiser.

    Args:
        model: the network; convolutions without a temperature are left alone.
        steps: after how many steps `end` is reached. It then stays.
        start: the first temperature.
        end: the last temperature.

    Raises:
        ValueError: `steps` or a temperature is not positive.

    Example:
        >>> model = nn.Sequential(ODConv2d(3, 8, 3), nn.ReLU(), DyConv2d(8, 8, 3))
        >>> scheduler = TemperatureScheduler(model, steps=100)
        >>> for batch in range(50):
        ...     scheduler.step()  # after the step of the optimiser
        >>> scheduler.temperature
        15.5
    """

    def __init__(self, model: nn.Module, steps: int, start: float = 30.0, end: float = 1.0) -> None:
        self.model = model
        self.steps = steps
        self.start = start
        self.end = end
        self.last_step = 0
        self._apply()

    @property
    def temperature(self) -> float:
        """The temperature that the network has now."""
        return linear_temperature(self.last_step, self.steps, self.start, self.end)

    def step(self) -> None:
        """Sets the temperature of the next step."""
        self.last_step += 1
        self._apply()

    def state_dict(self) -> dict[str, Any]:
        """All but the network, for a checkpoint."""
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
