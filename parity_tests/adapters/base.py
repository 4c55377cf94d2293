"""What the suite asks of a runtime."""

from __future__ import annotations

from typing import Any, Protocol

import numpy.typing as npt

from parity_tests.problems import Problem
from parity_tests.reference import Run, Training


class Adapter(Protocol):
    """One runtime. Arrays go in and come out under canonical names, through the converter.

    Example:
        >>> from parity_tests.adapters import adapter_of
        >>> adapter = adapter_of("torch")
        >>> sorted(name for name in dir(adapter) if not name.startswith("_"))
        ['layer_outputs', 'run', 'train', 'versions']
    """

    def versions(self) -> dict[str, str]:
        """Distribution -> version of what the runtime consists of.

        Returns:
            Such as {"torch": "2.13.0"}.
        """

    def run(self, problem: Problem) -> Run:
        """One pass; gradients only where the problem has a `grad_output`.

        Returns:
            Outputs, gradients and statistics under canonical names, channels first.
        """

    def train(self, problem: Problem) -> Training:
        """One optimiser step for each batch of the problem, see `cases.OPTIMISER`.

        Returns:
            The losses, and the arrays after the last step.
        """

    def layer_outputs(self, problem: Problem) -> dict[str, npt.NDArray[Any]]:
        """The output of every layer by attribute path, channels first, in order of execution.

        Layers with several outputs are left out.

        Returns:
            Path -> output.
        """
