"""How each runtime computes a problem: one file each, imported in that runtime's process."""

from __future__ import annotations

from parity_tests.adapters.base import Adapter
from parity_tests.keras_alone import import_keras

__all__ = ["Adapter", "adapter_of"]


def adapter_of(runtime: str) -> Adapter:
    """The adapter of a runtime, which imports its framework.

    Returns:
        The adapter, whose framework is imported.

    Raises:
        ValueError: there is no such runtime.
        ModuleNotFoundError: the framework is not installed.

    Example:
        >>> adapter_of("torch").versions().keys() >= {"torch"}
        True
    """
    if runtime == "torch":
        from parity_tests.adapters import torch

        return torch.ADAPTER
    if runtime == "paddle":
        from parity_tests.adapters import paddle

        return paddle.ADAPTER
    if runtime.startswith("keras"):
        import_keras()
    if runtime == "keras-tensorflow":
        from parity_tests.adapters import keras_tensorflow

        return keras_tensorflow.ADAPTER
    if runtime == "keras-jax":
        from parity_tests.adapters import keras_jax

        return keras_jax.ADAPTER
    if runtime == "keras-torch":
        from parity_tests.adapters import keras_torch

        return keras_torch.ADAPTER
    raise ValueError(f"runtime: expected one of `parity_tests.runtimes`, received {runtime!r}")
