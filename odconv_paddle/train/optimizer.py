"""Gradient descent with momentum as in the other frameworks, in the precision of the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import paddle
from paddle import nn
from paddle.optimizer import Optimizer


class SGD(Optimizer):
    """Velocity = momentum * velocity + gradient + decay * weight; weight -= rate * velocity.

    That is the rule of `paddle.optimizer.Momentum`, whose kernel takes momentum and decay as
    float32: after a hundred steps in float64 the error of 0.9 shows in the seventh digit
    (https://github.com/PaddlePaddle/Paddle/blob/v3.3.1/paddle/phi/kernels/impl/momentum_kernel_impl.h).

    Attributes:
        velocities: canonical name of the weight -> velocity, of its shape. Paddle's own
            optimizers keep theirs by the weight's number in the process, which says little in a
            file.
    """

    def __init__(
        self, model: nn.Layer, momentum: float, weight_decay: float, clip_norm: float | None
    ) -> None:
        clip = None if clip_norm is None else nn.ClipGradByGlobalNorm(clip_norm)
        trained = {n: p for n, p in model.named_parameters() if not p.stop_gradient}
        super().__init__(1.0, list(trained.values()), grad_clip=clip)  # each step sets its rate
        self.momentum = momentum
        self.decay = weight_decay
        self.velocities = {name: paddle.zeros_like(p) for name, p in trained.items()}
        self._names = {parameter.name: name for name, parameter in trained.items()}

    def load(self, velocities: Mapping[str, Any]) -> None:
        """Takes over the velocities, arrays or tensors, of an optimizer of the same network."""
        for name, velocity in self.velocities.items():
            velocity.set_value(velocities[name])

    def _create_accumulators(self, block: Any, parameters: Any) -> None:
        """There are none but the velocities."""

    def _append_optimize_op(self, block: Any, param_and_grad: Any) -> None:
        weight, gradient = param_and_grad
        velocity = self.velocities[self._names[weight.name]]
        velocity.scale_(self.momentum).add_(gradient + weight * self.decay)
        weight.subtract_(velocity * self._create_param_lr(param_and_grad))
