"""PaddlePaddle in dynamic graph mode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import paddle
from paddle.nn import functional as F

from benchmarks.frameworks.base import LEARNING_RATE, MOMENTUM, Array, Framework, Run
from benchmarks.published.paddle import publish
from odconv_paddle.layers import build_conv
from odconv_paddle.models.factory import build_model
from odconv_spec import BackboneSpec, ConvSpec
from weights_converter import assign


class PaddleFramework(Framework):
    def versions(self) -> dict[str, str]:
        return {"paddlepaddle": paddle.__version__}

    def threads(self) -> int:
        return int(paddle.get_flags("FLAGS_paddle_num_threads")["FLAGS_paddle_num_threads"])

    def build(self, spec: ConvSpec | BackboneSpec, arrays: Mapping[str, Array]) -> Any:
        model = build_model(spec) if isinstance(spec, BackboneSpec) else build_conv(spec)
        assign(model, arrays)
        return model

    def publish(self, model: Any) -> None:
        publish(model)

    def set_strategy(self, model: Any, name: str) -> None:
        raise ValueError(f"strategy: odconv_paddle has one way to compute, received {name!r}")

    def compiled(self, model: Any) -> Any:
        return paddle.jit.to_static(model)

    def inference(self, model: Any, x: Array) -> Run:
        model.eval()
        given = paddle.to_tensor(x)

        def run() -> tuple[paddle.Tensor]:
            with paddle.no_grad():
                return (model(given),)

        return run

    def backward(self, model: Any, x: Array, grad_output: Array) -> Run:
        model.train()
        given = paddle.to_tensor(x, stop_gradient=False)
        grad = paddle.to_tensor(grad_output)
        # Paddle counts running statistics among the parameters.
        wanted = [given, *(p for p in model.parameters() if not p.stop_gradient)]

        def run() -> tuple[paddle.Tensor, paddle.Tensor]:
            y = model(given)
            return y, paddle.grad(y, wanted, grad)[0]

        return run

    def step(self, model: Any, x: Array, labels: Array) -> Run:
        model.train()
        given, target = paddle.to_tensor(x), paddle.to_tensor(labels)
        optimiser = paddle.optimizer.Momentum(
            LEARNING_RATE, MOMENTUM, parameters=model.parameters()
        )

        def run() -> tuple[paddle.Tensor]:
            y = model(given)
            F.cross_entropy(y, target).backward()
            optimiser.step()
            optimiser.clear_grad()
            return (y.detach(),)

        return run

    def numpy(self, tensor: paddle.Tensor) -> Array:
        return tensor.numpy()


FRAMEWORK = PaddleFramework()
