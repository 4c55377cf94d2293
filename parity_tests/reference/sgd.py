"""Stochastic gradient descent with momentum and weight decay, by PyTorch's rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from parity_tests.reference.tape import Array


@dataclass(frozen=True)
class SGD:
    """v = momentum * v + (gradient + weight_decay * w);  w = w - lr * v.  v starts at zero.

    https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html without dampening. Every
    array that has a gradient decays, norms and biases too.
    """

    lr: float
    momentum: float
    weight_decay: float
    velocity: dict[str, Array] = field(default_factory=dict)

    def step(self, arrays: Mapping[str, Array], grads: Mapping[str, Array]) -> dict[str, Array]:
        """The arrays after one step; those without a gradient stay."""
        return dict(arrays) | {
            name: arrays[name] - self.lr * self._velocity(name, arrays[name], gradient)
            for name, gradient in grads.items()
        }

    def _velocity(self, name: str, array: Array, gradient: Array) -> Array:
        decayed = gradient + self.weight_decay * array
        self.velocity[name] = self.momentum * self.velocity.get(name, 0.0) + decayed
        return self.velocity[name]
