"""Keras on JAX, compiled by `jax.jit`."""

from __future__ import annotations

from typing import Any

import jax

from benchmarks.frameworks.base import Run
from benchmarks.frameworks.keras import KerasFramework, cross_entropy


class Jax:
    distribution = "jax"

    def compiled(self, model: Any) -> Any:
        raise ValueError("JAX: its compiler is what every run takes, there is no other")

    def inference(self, model: Any, x: Any) -> Run:
        def forward(trainable: Any, state: Any, given: Any) -> Any:
            return (model.stateless_call(trainable, state, given, training=False)[0],)

        return _compiled(forward, *_state(model), x)

    def backward(self, model: Any, x: Any, grad_output: Any) -> Run:
        def forward_and_backward(trainable: Any, state: Any, given: Any, grad: Any) -> Any:
            def forward(trainable: Any, given: Any) -> Any:
                return model.stateless_call(trainable, state, given, training=True)

            y, pull_back, state = jax.vjp(forward, trainable, given, has_aux=True)
            grads, grad_given = pull_back(grad)
            # All are outputs, because XLA leaves out what nobody asks for.
            return y, grad_given, grads, state

        return _compiled(forward_and_backward, *_state(model), x, grad_output)

    def step(self, model: Any, x: Any, labels: Any, optimiser: Any) -> Run:
        def loss_of(trainable: Any, state: Any, given: Any, target: Any) -> Any:
            logits, state = model.stateless_call(trainable, state, given, training=True)
            return cross_entropy(target, logits), (logits, state)

        def step(trainable: Any, state: Any, slots: Any, given: Any, target: Any) -> Any:
            gradients = jax.value_and_grad(loss_of, has_aux=True)
            (_, (logits, state)), grads = gradients(trainable, state, given, target)
            trainable, slots = optimiser.stateless_apply(slots, grads, trainable)
            return logits, (trainable, state, slots)

        arrays = (*_state(model), [variable.value for variable in optimiser.variables])
        # Donated as Keras' trainer does: the new arrays take the place of the old.
        compiled = jax.jit(step, donate_argnums=(0, 1, 2)).lower(*arrays, x, labels).compile()

        def run() -> Any:
            nonlocal arrays
            logits, arrays = compiled(*arrays, x, labels)
            jax.block_until_ready(arrays)
            return (jax.block_until_ready(logits),)

        return run


def _compiled(function: Any, *arrays: Any) -> Run:
    compiled = jax.jit(function).lower(*arrays).compile()
    return lambda: jax.block_until_ready(compiled(*arrays))


def _state(model: Any) -> tuple[list[Any], list[Any]]:
    """Trainable and other arrays, in the order of `stateless_call`."""
    every = (model.trainable_variables, model.non_trainable_variables)
    trainable, others = ([variable.value for variable in variables] for variables in every)
    return trainable, others


FRAMEWORK = KerasFramework(Jax())
