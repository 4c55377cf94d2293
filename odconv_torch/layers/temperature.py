"""The temperature that divides attention logits: run-time state, not part of a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, TypeVar

import torch
from torch import nn

from odconv_spec.schedule import SOFTEN, Annealing
from odconv_torch.layers.attending import Attending

Module = TypeVar("Module", bound="Tempered")


class Tempered(Attending):
    """A module with a temperature, at the start that at which nobody anneals: 1 for softmaxes.

    The temperature is a buffer, so that compiled code sees it change, and not persistent, so that
    official checkpoints load strictly. As no checkpoint brings its value, it is kept whatever
    happens to the module: on the meta device, which has no values, the temperature stays on the
    CPU, and a number on the CPU goes with tensors of every device.
    """

    annealing: ClassVar[Annealing] = SOFTEN
    temperature: torch.Tensor

    def __init__(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        rest = torch.full((), self.annealing.rest, device=device, dtype=dtype)
        self.register_buffer("temperature", self._with_value(rest), persistent=False)

    def reset_parameters(self) -> None:
        """The temperature at which nobody anneals; the layers inside start themselves."""
        self.set_temperature(self.annealing.rest)

    def init_non_persistent_buffers(self) -> None:
        """The same, under the name by which timm asks for what no checkpoint has."""
        self.reset_parameters()

    def set_temperature(self, temperature: float) -> None:
        """Sets it, without a check of its range."""
        self.temperature = self._with_value(self.temperature)
        self.temperature.fill_(temperature)

    def _tempered(self, logits: torch.Tensor) -> torch.Tensor:
        """`logits` over the temperature, which is 1 where others moved it to the meta device."""
        temperature = self.temperature
        return logits if temperature.is_meta else logits / temperature

    def _apply(self: Module, fn: Callable[..., torch.Tensor], recurse: bool = True) -> Module:
        """What `to`, `half` and `to_empty` do, without losing the value."""
        before = self.temperature
        super()._apply(fn, recurse)
        self.temperature = _kept(self._with_value(before), self.temperature)
        return self

    def _with_value(self, temperature: torch.Tensor) -> torch.Tensor:
        """The temperature, or that of rest on the CPU in place of one on the meta device."""
        if not _is_meta(temperature):
            return temperature
        return torch.full((), self.annealing.rest, device="cpu", dtype=temperature.dtype)


def _is_meta(tensor: torch.Tensor) -> bool:
    return tensor.device.type == "meta"


def _kept(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """The temperature after a change of device or dtype, with the value that it had before."""
    if _is_meta(after):
        return before.to(after.dtype)
    if after is before or type(after) is not type(before):  # others, such as fake ones, have none
        return after
    return after.copy_(before)  # `to_empty` leaves garbage


def softmax(logits: torch.Tensor) -> torch.Tensor:
    """Softmax over the last axis, in float32 where the logits have less."""
    dtype = torch.promote_types(logits.dtype, torch.float32)
    return torch.softmax(logits, dim=-1, dtype=dtype)


def set_temperature(module: nn.Module, temperature: float) -> None:
    """Sets the temperature of every dynamic convolution inside `module` (or of `module` itself).

    Static convolutions and CondConv have none and are left alone, so this may be called on any
    network.

    Raises:
        ValueError: `temperature` is not a positive finite number, or with KernelWarehouse not
            between 0 and 1.

    Example:
        >>> model = create_model("dy_resnet18")
        >>> set_temperature(model, 30.0)
        >>> float(model.layer1[0].conv1.attention.temperature)
        30.0
    """
    children = [child for child in module.modules() if isinstance(child, Tempered)]
    for annealing in {child.annealing for child in children} or {SOFTEN}:
        annealing.check(temperature)
    for child in children:
        child.set_temperature(temperature)


def annealing_of(module: nn.Module) -> Annealing:
    """Which temperatures the dynamic convolutions inside `module` are published with."""
    children = (child for child in module.modules() if isinstance(child, Tempered))
    return next((child.annealing for child in children), SOFTEN)


def temperatures(module: nn.Module) -> set[float]:
    """The temperatures of the dynamic convolutions inside `module`: none, one, or several."""
    found = (child for child in module.modules() if isinstance(child, Tempered))
    return {float(child.temperature) for child in found}
