"""What the benchmark asks of a framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy.typing as npt

from benchmarks.conditions import CPU, FLOAT32, Conditions
from odconv_spec import BackboneSpec, ConvSpec

Array = npt.NDArray[Any]
# Runs once, to the end of the computation, and gives tensors of the framework: the output, and
# where the input has a gradient, that as well.
Run = Callable[[], Sequence[Any]]

LEARNING_RATE, MOMENTUM = 1e-4, 0.9


class Framework(Protocol):
    """One runtime. Arrays have channels first; what is compiled is compiled before a run.

    What a runtime inherits is what it does not have.
    """

    out_of_memory: tuple[type[Exception], ...] = (MemoryError,)

    def versions(self) -> dict[str, str]:
        """Distribution -> version of what the runtime consists of."""

    def threads(self) -> int:
        """Threads that one operation may use."""

    def in_conditions(self, conditions: Conditions) -> Framework:
        """The same on the device and in the precision that `conditions` ask for.

        Raises:
            ValueError: there is no such device, or the runtime has only one.
        """
        if (conditions.device, conditions.dtype) != (CPU, FLOAT32):
            raise ValueError("--device and --dtype: expected the runtime torch")
        return self

    def hardware(self) -> str:
        """What the runtime itself says of the processor or the GPU that it uses, if it does."""
        return ""

    def build(self, spec: ConvSpec | BackboneSpec, arrays: Mapping[str, Array]) -> Any:
        """The layer or the network with arrays under canonical names."""

    def publish(self, model: Any) -> None:
        """Makes the dynamic convolutions of `model` compute in the published way."""

    def set_strategy(self, model: Any, name: str) -> None:
        """Makes them compute in one of our ways."""

    def official(
        self, spec: ConvSpec | BackboneSpec, arrays: Mapping[str, Array], folder: str
    ) -> Any:
        """The same by other people's code; that of networks lies in `folder`."""
        raise ValueError("official code: expected the runtime torch")

    def compiled(self, model: Any) -> Any:
        """The same network by the framework's compiler, beyond what `inference` compiles."""

    def in_channels_last(self) -> Framework:
        """The same runtime with channels last in memory; the arrays it takes and gives stay."""
        raise ValueError("channels last: expected the runtime torch, others have one layout")

    def inference(self, model: Any, x: Array) -> Run:
        """Forward in evaluation mode, without what gradients take."""

    def backward(self, model: Any, x: Array, grad_output: Array) -> Run:
        """Forward in training mode and backward, to the input and all trainable arrays."""

    def step(self, model: Any, x: Array, labels: Array) -> Run:
        """Forward in training mode, cross entropy, backward, SGD with momentum; gives logits."""

    def with_peak(self, run: Run) -> tuple[Sequence[Any], float | None]:
        """What a run gives, and the MiB that it takes on an accelerator at most, if it is one."""
        return run(), None

    def numpy(self, tensor: Any) -> Array:
        """The values, with channels first."""
