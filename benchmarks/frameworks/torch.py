"""PyTorch in eager mode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.nn import functional as F

from benchmarks.frameworks.base import LEARNING_RATE, MOMENTUM, Array, Run
from benchmarks.published.torch import publish
from odconv_spec import BackboneSpec, ConvSpec
from odconv_torch import set_strategy
from odconv_torch.layers import build_conv
from odconv_torch.models.factory import build_model
from weights_converter import assign


class TorchFramework:
    def versions(self) -> dict[str, str]:
        return {"torch": torch.__version__}

    def threads(self) -> int:
        return torch.get_num_threads()

    def build(self, spec: ConvSpec | BackboneSpec, arrays: Mapping[str, Array]) -> Any:
        model = build_model(spec) if isinstance(spec, BackboneSpec) else build_conv(spec)
        assign(model, arrays)
        return model

    def publish(self, model: Any) -> None:
        publish(model)

    def set_strategy(self, model: Any, name: str) -> None:
        set_strategy(model, name)

    def compiled(self, model: Any) -> Any:
        return torch.compile(model)

    def inference(self, model: Any, x: Array) -> Run:
        model.eval()
        given = torch.from_numpy(x)

        def run() -> tuple[torch.Tensor]:
            with torch.inference_mode():
                return (model(given),)

        return run

    def backward(self, model: Any, x: Array, grad_output: Array) -> Run:
        model.train()
        given = torch.from_numpy(x).requires_grad_()
        grad = torch.from_numpy(grad_output)
        wanted = (given, *model.parameters())

        def run() -> tuple[torch.Tensor, torch.Tensor]:
            y = model(given)
            return y, torch.autograd.grad(y, wanted, grad)[0]

        return run

    def step(self, model: Any, x: Array, labels: Array) -> Run:
        model.train()
        given, target = torch.from_numpy(x), torch.from_numpy(labels)
        optimiser = torch.optim.SGD(model.parameters(), LEARNING_RATE, MOMENTUM)

        def run() -> tuple[torch.Tensor]:
            y = model(given)
            optimiser.zero_grad()
            F.cross_entropy(y, target).backward()
            optimiser.step()
            return (y.detach(),)

        return run

    def numpy(self, tensor: torch.Tensor) -> Array:
        return tensor.detach().numpy()


FRAMEWORK = TorchFramework()
