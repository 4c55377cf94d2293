"""One step of stochastic gradient descent."""

from __future__ import annotations

import paddle
from paddle.nn import functional as F

from odconv_paddle.layers import set_temperature
from odconv_paddle.layers.temperature import at_least_float32
from odconv_paddle.models.backbone import Backbone
from odconv_paddle.train.optimizer import SGD
from odconv_paddle.train.precision import autocast, parameter_dtype
from odconv_paddle.train.processes import Processes
from odconv_training import Options, step_seed


class Step:
    """A model with its optimizer, and what takes it one batch further.

    Attributes:
        model: the network, whose state is to be saved.
        optimizer: over all its parameters that are not frozen.
        scaler: of the loss, for float16, whose small gradients vanish; else it does nothing.
    """

    def __init__(self, model: Backbone, options: Options, processes: Processes) -> None:
        recipe = options.recipe
        self.model = model
        for parameter in model.get_classifier().parameters():
            parameter.optimize_attr["learning_rate"] = recipe.head_factor
        self.optimizer = SGD(model, recipe.momentum, recipe.weight_decay, options.clip_norm)
        # On a CPU there is no half precision, and Paddle turns both off with a warning.
        self.scaler = paddle.amp.GradScaler(enable=options.precision == "float16")
        self._options = options
        self._processes = processes

    def __call__(
        self,
        step: int,
        images: paddle.Tensor,
        labels: paddle.Tensor,
        count: int,
        rate: float,
        temperature: float,
    ) -> float:
        """Takes one step; see `odconv_training.Step`."""
        self.optimizer.set_lr(rate)
        set_temperature(self.model, temperature)
        paddle.seed(step_seed(self._options.seed, step, self._processes.rank))
        total = self._loss(images, labels)
        # Gradients are averaged over the processes, the recipe's loss is a mean over the samples.
        self.scaler.scale(total * (self._processes.world / count)).backward()
        self._processes.average_gradients(self.model.parameters())
        self.scaler.step(self.optimizer)  # clips, too
        self.scaler.update()
        self.optimizer.clear_grad()
        return float(self._processes.total(float(total))) / count

    def _loss(self, images: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        """The sum of the cross-entropies of this share."""
        images = images.astype(parameter_dtype(self._options.precision))
        with autocast(self._options.precision):
            logits = self.model(images)  # (batch, classes)
        return F.cross_entropy(at_least_float32(logits), labels, reduction="sum")
