"""PaddlePaddle in dynamic graph mode."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import paddle
from paddle import nn
from paddle.nn import functional as F

from odconv_paddle import set_temperature
from odconv_paddle.layers import WarehouseManager, build_layer
from odconv_paddle.models.factory import build_model
from odconv_spec import BackboneSpec
from parity_tests.adapters.attentions import attentions, running
from parity_tests.outputs.names import record
from parity_tests.problems import OPTIMISER, Problem
from parity_tests.reference import Run, Training
from parity_tests.reference.kernel_warehouse import KWChainSpec
from weights_converter import assign, extract
from weights_converter.live.paddle_models import variables
from weights_converter.names.layouts import PADDLE


class PaddleAdapter:
    def versions(self) -> dict[str, str]:
        return {"paddlepaddle": paddle.__version__}

    def run(self, problem: Problem) -> Run:
        model = _model(problem)
        x = paddle.to_tensor(problem.x, stop_gradient=problem.grad_output is None)
        shown = _attentions(model, problem, x)
        y = model(x)
        if problem.grad_output is not None:
            y.backward(paddle.to_tensor(problem.grad_output))
        return Run(
            output=y.numpy(),
            attentions=shown,
            grad_input=None if x.grad is None else x.grad.numpy(),
            grads={
                v.name: PADDLE.to_canonical(v.role, v.handle.grad.numpy())
                for v in variables(model)
                if v.handle.grad is not None
            },
            statistics=running(extract(model)),
        )

    def train(self, problem: Problem) -> Training:
        model = _model(problem)
        optimiser = paddle.optimizer.Momentum(
            OPTIMISER["lr"],
            OPTIMISER["momentum"],
            parameters=model.parameters(),
            weight_decay=OPTIMISER["weight_decay"],
        )
        losses = []
        for x, labels in problem.batches():
            loss = F.cross_entropy(model(paddle.to_tensor(x)), paddle.to_tensor(labels))
            loss.backward()
            optimiser.step()
            optimiser.clear_grad()
            losses.append(float(loss))
        return Training(tuple(losses), extract(model))

    @paddle.no_grad()
    def layer_outputs(self, problem: Problem) -> dict[str, npt.NDArray[Any]]:
        model = _model(problem)
        outputs: dict[str, npt.NDArray[Any]] = {}

        def keep(path: str, layer: nn.Layer, inputs: Any, output: Any) -> Any:
            if isinstance(output, paddle.Tensor):
                record(outputs, path, np.array(output.numpy()))
            return output

        for path, layer in model.named_sublayers(include_self=True):
            layer.register_forward_post_hook(partial(keep, path))
        model(paddle.to_tensor(problem.x))
        return outputs


def _model(problem: Problem) -> Any:
    # Paddle's layers take their dtype from the default at construction.
    paddle.set_default_dtype(problem.dtype)  # type: ignore[arg-type]
    spec = problem.spec
    if isinstance(spec, BackboneSpec):
        model: Any = build_model(spec)
    else:
        model = _Chain(spec) if isinstance(spec, KWChainSpec) else build_layer(spec)
    assign(model, problem.arrays)
    set_temperature(model, problem.temperature)
    model.train() if problem.training else model.eval()
    return model


class _Chain(nn.Layer):
    """Layers of KernelWarehouse one after another, which share warehouses."""

    def __init__(self, spec: KWChainSpec) -> None:
        super().__init__()
        self.spec = spec
        self.layers = nn.Sequential(*map(build_layer, spec.layers))
        self.warehouse_manager = WarehouseManager(spec.warehouses).serve(self)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.layers(x)

    def attentions(self, x: paddle.Tensor) -> dict[str, paddle.Tensor]:
        found = {}
        for number, layer in enumerate(self.layers):
            found[f"layers.{number}"] = layer.attentions(x)["mixture"]
            x = layer(x)
        return found


def _attentions(model: Any, problem: Problem, x: paddle.Tensor) -> dict[str, Any]:
    if problem.training:
        return {}
    with paddle.no_grad():
        return attentions(model, lambda mixer: mixer(x), lambda tensor: tensor.numpy())


ADAPTER = PaddleAdapter()
