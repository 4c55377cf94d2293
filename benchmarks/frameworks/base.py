"""What the benchmark asks of a framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy.typing as npt

from odconv_spec import BackboneSpec, ConvSpec

Array = npt.NDArray[Any]
# Runs once, to the end of the computation, and gives tensors of the framework: the output, and
# where the input has a gradient, that as well.
Run = Callable[[], Sequence[Any]]

LEARNING_RATE, MOMENTUM = 1e-4, 0.9


class Framework(Protocol):
    """One runtime. Arrays have channels first; what is compiled is compiled before a run."""

    def versions(self) -> dict[str, str]:
        """Distribution -> version of what the runtime consists of."""

    def threads(self) -> int:
        """Threads that one operation may use."""

    def build(self, spec: ConvSpec | BackboneSpec, arrays: Mapping[str, Array]) -> Any:
        """The layer or the network with arrays under canonical names."""

    def publish(self, model: Any) -> None:
        """Makes the dynamic convolutions of `model` compute in the published way."""

    def set_strategy(self, model: Any, name: str) -> None:
        """Makes them compute in one of our ways."""

    def compiled(self, model: Any) -> Any:
        """The same network by the framework's compiler, beyond what `inference` compiles."""

    def inference(self, model: Any, x: Array) -> Run:
        """Forward in evaluation mode, without what gradients take."""

    def backward(self, model: Any, x: Array, grad_output: Array) -> Run:
        """Forward in training mode and backward, to the input and all trainable arrays."""

    def step(self, model: Any, x: Array, labels: Array) -> Run:
        """Forward in training mode, cross entropy, backward, SGD with momentum; gives logits."""

    def numpy(self, tensor: Any) -> Array:
        """The values, with channels first."""
