"""One step of stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from odconv_keras.layers import set_temperature
from odconv_keras.models.backbone import Backbone
from odconv_keras.train.optimizer import SGD
from odconv_keras.train.processes import Processes
from odconv_training import Options, Recipe, step_seed


class Step:
    """A compiled model, and what takes it one batch further.

    `fit` gives the mean loss since the epoch began, always begins an epoch at its first batch, and
    cannot reduce over the processes of TensorFlow; `train_on_batch` gives the loss of the batch.

    Attributes:
        model: the network, with its optimizer.
    """

    def __init__(self, model: Backbone, options: Options, processes: Processes) -> None:
        recipe = options.recipe
        self.model = model
        model.compile(
            SGD(
                recipe.lr,
                recipe.momentum,
                recipe.weight_decay,
                _factors(model, recipe),
                global_clipnorm=options.clip_norm,
            ),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            # XLA compiles much longer than a small training takes on TensorFlow, and each shape.
            jit_compile=keras.backend.backend() == "jax",
        )
        # Before the first step, so that a checkpoint can be put into it.
        model.optimizer.build(model.trainable_variables)
        self._seed = options.seed
        self._processes = processes
        self._train = processes.training(model)
        self._generators = _seed_generators(model)
        self._temperature: float | None = None

    def __call__(
        self,
        step: int,
        images: np.ndarray,
        labels: np.ndarray,
        count: int,
        rate: float,
        temperature: float,
    ) -> float:
        """Takes one step; see `odconv_training.Step`."""
        self.model.optimizer.learning_rate = rate
        if temperature != self._temperature:
            set_temperature(self.model, temperature)
            self._temperature = temperature
        self._seed_dropout(step)
        return self._train(images.astype(keras.config.floatx(), copy=False), labels, count)

    def _seed_dropout(self, step: int) -> None:
        """Anew for every step, so that a resumed training draws the same."""
        seed = step_seed(self._seed, step, self._processes.draws)
        for index, generator in enumerate(self._generators):
            generator.state.assign(np.array([seed, index], "uint32"))
        if self._generators and keras.backend.backend() == "torch":
            # Keras' dropout draws from the state of PyTorch there, unless the layer has a seed.
            keras.utils.set_random_seed(seed)


def _factors(model: Backbone, recipe: Recipe) -> dict[str, float]:
    """What the rate of each variable of the head is multiplied by, if it has a rate of its own."""
    if recipe.head_lr is None:
        return {}
    head = model.get_classifier().trainable_variables
    return {variable.path: recipe.head_factor for variable in head}


def _seed_generators(model: keras.Model) -> list[Any]:
    """Those of the layers that drop something; an idle one costs a step of its own."""
    # Keras has no public walk over all depths.
    return [
        layer.seed_generator
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.Dropout) and layer.rate > 0
    ]
