"""Keras on PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from parity_tests.adapters.keras import KerasAdapter, Step


class Torch:
    distribution = "torch"

    def building(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def attentions(self, shown: Callable[[Any], Any], x: Any) -> Any:
        return shown(x)

    @torch.no_grad()
    def forward(self, model: Any, x: Any) -> Any:
        return model(x, training=False)

    def step(self, model: Any, loss: Callable[[Any, Any], Any], training: bool) -> Step:
        def run(x: Any, target: Any) -> Any:
            source = torch.tensor(x, requires_grad=True)
            y = model(source, training=training)
            value = loss(y, target)
            trainable = [variable.value for variable in model.trainable_variables]
            grad_x, *grads = torch.autograd.grad(value, [source, *trainable])
            return y, value, grad_x, grads

        return run


ADAPTER = KerasAdapter(Torch())
