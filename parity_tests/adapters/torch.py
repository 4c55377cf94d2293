"""PyTorch."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

from odconv_spec import BackboneSpec
from odconv_torch import set_temperature
from odconv_torch.layers import WarehouseManager, build_layer
from odconv_torch.models.factory import build_model
from parity_tests.adapters.attentions import attentions, running
from parity_tests.outputs.names import record
from parity_tests.problems import OPTIMISER, Problem
from parity_tests.reference import Run, Training
from parity_tests.reference.kernel_warehouse import KWChainSpec
from weights_converter import assign, extract


class TorchAdapter:
    def versions(self) -> dict[str, str]:
        return {"torch": torch.__version__}

    def run(self, problem: Problem) -> Run:
        model = _model(problem)
        x = torch.tensor(problem.x, requires_grad=problem.grad_output is not None)
        shown = _attentions(model, problem, x)
        with torch.set_grad_enabled(problem.grad_output is not None):
            y = model(x)
        if problem.grad_output is not None:
            y.backward(torch.tensor(problem.grad_output))
        grads = {n: p.grad.numpy() for n, p in model.named_parameters() if p.grad is not None}
        return Run(
            output=y.detach().numpy(),
            attentions=shown,
            grad_input=None if x.grad is None else x.grad.numpy(),
            grads=grads,
            statistics=running(extract(model)),
        )

    def train(self, problem: Problem) -> Training:
        model = _model(problem)
        optimiser = torch.optim.SGD(
            model.parameters(),
            lr=OPTIMISER["lr"],
            momentum=OPTIMISER["momentum"],
            weight_decay=OPTIMISER["weight_decay"],
        )
        losses = []
        for x, labels in problem.batches():
            loss = F.cross_entropy(model(torch.tensor(x)), torch.tensor(labels))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        return Training(tuple(losses), extract(model))

    @torch.no_grad()
    def layer_outputs(self, problem: Problem) -> dict[str, npt.NDArray[Any]]:
        model = _model(problem)
        outputs: dict[str, npt.NDArray[Any]] = {}

        def keep(path: str, module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor):
                record(outputs, path, np.array(output))

        for path, module in model.named_modules():
            module.register_forward_hook(partial(keep, path))
        model(torch.from_numpy(problem.x))
        return outputs


def _model(problem: Problem) -> Any:
    spec, dtype = problem.spec, getattr(torch, problem.dtype)
    if isinstance(spec, BackboneSpec):
        model: Any = build_model(spec, dtype=dtype)
    elif isinstance(spec, KWChainSpec):
        model = _Chain(spec, dtype)
    else:
        model = build_layer(spec, dtype=dtype)
    assign(model, problem.arrays)
    set_temperature(model, problem.temperature)
    return model.train(problem.training)


class _Chain(nn.Module):
    """Layers of KernelWarehouse one after another, which share warehouses."""

    def __init__(self, spec: KWChainSpec, dtype: torch.dtype) -> None:
        super().__init__()
        self.spec = spec
        self.layers = nn.Sequential(*(build_layer(layer, dtype=dtype) for layer in spec.layers))
        self.warehouse_manager = WarehouseManager(spec.warehouses, dtype=dtype).serve(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layers(x)
        return y

    def attentions(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        found = {}
        layers: Any = self.layers
        for number, layer in enumerate(layers):
            found[f"layers.{number}"] = layer.attentions(x)["mixture"]
            x = layer(x)
        return found


def _attentions(model: Any, problem: Problem, x: torch.Tensor) -> dict[str, Any]:
    if problem.training:
        return {}
    with torch.no_grad():
        return attentions(model, lambda mixer: mixer(x), lambda tensor: tensor.numpy())


ADAPTER = TorchAdapter()
