"""PyTorch in eager mode, on a CPU or a GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.nn import functional as F

from benchmarks.conditions import CPU, CUDA, Conditions
from benchmarks.frameworks.base import LEARNING_RATE, MOMENTUM, Array, Framework, Run
from benchmarks.published.official import circulating, official_network
from benchmarks.published.torch import publish
from odconv_spec import BackboneSpec, ConvSpec
from odconv_torch import set_strategy
from odconv_torch.layers import build_conv
from odconv_torch.models.factory import build_model
from weights_converter import assign

MIB = 1 << 20


@dataclass(frozen=True)
class TorchFramework(Framework):
    """
    Attributes:
        device: where the model and its input live.
        dtype: of the arrays in inference, and of autocast in training.
        layout: of maps and kernels in memory.
    """

    device: str = CPU
    dtype: torch.dtype = torch.float32
    layout: torch.memory_format = torch.contiguous_format
    out_of_memory = (MemoryError, torch.cuda.OutOfMemoryError)

    def versions(self) -> dict[str, str]:
        return {"torch": torch.__version__}

    def threads(self) -> int:
        return torch.get_num_threads()

    def in_conditions(self, conditions: Conditions) -> TorchFramework:
        if conditions.device == CUDA and not torch.cuda.is_available():
            raise ValueError(
                "--device cuda: expected a GPU and a PyTorch that is built for it, received torch "
                f"{torch.__version__}, whose torch.cuda.is_available() is False"
            )
        return replace(self, device=conditions.device, dtype=getattr(torch, conditions.dtype))

    def hardware(self) -> str:
        """Such as "AVX512", what PyTorch's own operations use; of a GPU, its name."""
        if self.device == CUDA:
            return torch.cuda.get_device_name()
        return torch.backends.cpu.get_cpu_capability()

    def build(self, spec: ConvSpec | BackboneSpec, arrays: Mapping[str, Array]) -> Any:
        model = build_model(spec) if isinstance(spec, BackboneSpec) else build_conv(spec)
        assign(model, arrays)
        return self._placed(model)

    def publish(self, model: Any) -> None:
        publish(model)

    def official(
        self, spec: ConvSpec | BackboneSpec, arrays: Mapping[str, Array], folder: str
    ) -> Any:
        if not isinstance(spec, BackboneSpec):
            return self._placed(circulating(self.build(spec, arrays)))
        kernel_num = dict(spec.conv.options).get("kernel_num")
        return self._placed(official_network(folder, spec.name, kernel_num, arrays))

    def set_strategy(self, model: Any, name: str) -> None:
        set_strategy(model, name)

    def compiled(self, model: Any) -> Any:
        return torch.compile(model)

    def in_channels_last(self) -> TorchFramework:
        return replace(self, layout=torch.channels_last)

    def inference(self, model: Any, x: Array) -> Run:
        model.eval().to(self.dtype)
        given = self._tensor(x).to(self.dtype)

        def run() -> tuple[torch.Tensor]:
            with torch.inference_mode():
                return self._finished(model(given))

        return run

    def backward(self, model: Any, x: Array, grad_output: Array) -> Run:
        model.train()
        given = self._tensor(x).requires_grad_()
        grad = self._tensor(grad_output)
        wanted = (given, *model.parameters())

        def run() -> tuple[torch.Tensor, torch.Tensor]:
            with self._autocast():
                y = model(given)
            return self._finished(y, torch.autograd.grad(y, wanted, grad.to(y.dtype))[0])

        return run

    def step(self, model: Any, x: Array, labels: Array) -> Run:
        model.train()
        given, target = self._tensor(x), torch.from_numpy(labels).to(self.device)
        optimiser = torch.optim.SGD(model.parameters(), LEARNING_RATE, MOMENTUM)

        def run() -> tuple[torch.Tensor]:
            with self._autocast():
                y = model(given)
                loss = F.cross_entropy(y, target)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            return self._finished(y.detach())

        return run

    def with_peak(self, run: Run) -> tuple[Sequence[Any], float | None]:
        if self.device != CUDA:
            return run(), None
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        outputs = run()
        return outputs, (torch.cuda.max_memory_allocated() - before) / MIB

    def numpy(self, tensor: torch.Tensor) -> Array:
        return tensor.detach().float().cpu().numpy()

    def _placed(self, model: Any) -> Any:
        return model.to(self.device, memory_format=self.layout)

    def _tensor(self, array: Array) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device, memory_format=self.layout)

    def _autocast(self) -> AbstractContextManager[Any]:
        # Without a scaler of the loss, which float16 would need to learn and adds little time.
        return torch.autocast(self.device, self.dtype, enabled=self.dtype != torch.float32)

    def _finished(self, *tensors: torch.Tensor) -> tuple[Any, ...]:
        """The tensors once a GPU, which works behind the program, has computed them."""
        if self.device == CUDA:
            torch.cuda.synchronize()
        return tensors


FRAMEWORK = TorchFramework()
