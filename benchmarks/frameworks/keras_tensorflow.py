"""Keras on TensorFlow, compiled by `tf.function`, without XLA."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from benchmarks.frameworks.base import Run
from benchmarks.frameworks.keras import KerasFramework, cross_entropy


class TensorFlow:
    distribution = "tensorflow-cpu"

    def compiled(self, model: Any) -> Any:
        """By XLA. Has no variables to ask for, so it is for inference."""
        return tf.function(model, autograph=False, jit_compile=True)

    def inference(self, model: Any, x: Any) -> Run:
        return _compiled(lambda given: (model(given, training=False),), x)

    def backward(self, model: Any, x: Any, grad_output: Any) -> Run:
        trainable = [variable.value for variable in model.trainable_variables]

        def forward_and_backward(given: Any, grad: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(given)
                y = model(given, training=True)
            # All are outputs, because TensorFlow leaves out what nobody asks for.
            return y, *tape.gradient(y, [given, *trainable], grad)

        return _compiled(forward_and_backward, x, grad_output)

    def step(self, model: Any, x: Any, labels: Any, optimiser: Any) -> Run:
        trainable = [variable.value for variable in model.trainable_variables]

        def step(given: Any, target: Any) -> Any:
            with tf.GradientTape() as tape:
                logits = model(given, training=True)
                loss = cross_entropy(target, logits)
            optimiser.apply(tape.gradient(loss, trainable), model.trainable_variables)
            return (logits,)

        return _compiled(step, x, labels)


def _compiled(function: Any, *tensors: Any) -> Run:
    # Keras' trainer does without autograph, too.
    compiled = tf.function(function, autograph=False).get_concrete_function(*tensors)
    return lambda: compiled(*tensors)


FRAMEWORK = KerasFramework(TensorFlow())
