"""Keras on JAX. Whole passes are compiled: one by one, JAX compiles every operation anyway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import keras

from parity_tests.adapters.keras import KerasAdapter, Step


class Jax:
    distribution = "jax"

    @contextmanager
    def building(self) -> Iterator[None]:
        """Variables get no values: to draw these, JAX compiles a function for each shape."""
        with keras.StatelessScope(initialize_variables=False):
            yield
        keras.utils.clear_session(free_memory=False)  # which variables wait for a value

    def attentions(self, shown: Callable[[Any], Any], x: Any) -> Any:
        return jax.jit(shown)(x)

    def forward(self, model: Any, x: Any) -> Any:
        run = jax.jit(lambda *state_and_x: model.stateless_call(*state_and_x, training=False))
        y, _ = run(_values(model.trainable_variables), _values(model.non_trainable_variables), x)
        return y

    def step(self, model: Any, loss: Callable[[Any, Any], Any], training: bool) -> Step:
        def forward(trainable: Any, x: Any, state: Any, target: Any) -> Any:
            y, state = model.stateless_call(trainable, state, x, training=training)
            return loss(y, target), (y, state)

        compiled = jax.jit(jax.value_and_grad(forward, argnums=(0, 1), has_aux=True))

        def run(x: Any, target: Any) -> Any:
            before = _values(model.non_trainable_variables)
            found = compiled(_values(model.trainable_variables), x, before, target)
            (value, (y, state)), (grads, grad_x) = found
            for variable, new in zip(model.non_trainable_variables, state, strict=True):
                variable.assign(new)
            return y, value, grad_x, grads

        return run


def _values(variables: Any) -> list[Any]:
    return [variable.value for variable in variables]


ADAPTER = KerasAdapter(Jax())
