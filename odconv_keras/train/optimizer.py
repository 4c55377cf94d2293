"""Stochastic gradient descent by PyTorch's rule.

`keras.optimizers.SGD` has the learning rate inside its velocity, so that a change of the rate acts
on earlier gradients otherwise than in PyTorch, and its `weight_decay` acts on the weights beside
the velocity. The published recipes are PyTorch's: a schedule of rates over
https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="odconv")
class SGD(keras.optimizers.Optimizer):
    """velocity = momentum * velocity + gradient + weight_decay * weight; weight -= rate * velocity.

    All weights decay, norms and biases included, as in the published trainings.

    Args:
        learning_rate: a number, or what else a Keras optimizer takes.
        momentum: share of the velocity that stays.
        weight_decay: share of the weight that is added to its gradient.
        factors: path of a variable -> what the rate is multiplied by for it.
        **kwargs: those of every Keras optimizer, such as `global_clipnorm`.

    Raises:
        ValueError: momentum or weight_decay is negative.

    Example:
        >>> weight = keras.Variable([1.0, -2.0])
        >>> optimizer = SGD(0.5, momentum=0.9)
        >>> optimizer.apply([keras.ops.array([0.2, 0.4])], [weight])
        >>> [f"{value:.1f}" for value in keras.ops.convert_to_numpy(weight)]
        ['0.9', '-2.2']
    """

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        factors: Mapping[str, float] | None = None,
        name: str = "sgd",
        **kwargs: Any,
    ) -> None:
        for option, value in (("momentum", momentum), ("weight_decay", weight_decay)):
            if not value >= 0:
                raise ValueError(f"{option}: expected no negative number, received {value!r}")
        # The base class would apply a weight_decay that it knows of, by Keras' rule.
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.momentum = momentum
        self.coupled_decay = weight_decay
        self.factors = dict(factors or {})

    def build(self, variables: Any) -> None:
        if self.built:
            return
        super().build(variables)
        self.velocities = self.add_optimizer_variables(variables, "velocity")
        # By index, because TensorFlow hands `update_step` variables of its own.
        self._rate_factors = [self.factors.get(variable.path, 1.0) for variable in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        velocity = self.velocities[index]
        rate = ops.cast(learning_rate, variable.dtype) * self._rate_factors[index]
        # Plain numbers: TensorFlow casts them by way of float32.
        gradient = ops.cast(gradient, variable.dtype) + self.coupled_decay * variable
        moved = self.momentum * ops.convert_to_tensor(velocity) + gradient
        self.assign(velocity, moved)
        self.assign_sub(variable, rate * moved)

    def get_config(self) -> dict[str, Any]:
        own = {"momentum": self.momentum, "weight_decay": self.coupled_decay}
        return super().get_config() | own | {"factors": self.factors}
