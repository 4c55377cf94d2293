"""Meeting the other processes of a training.

TensorFlow reads the other processes from TF_CONFIG, JAX from KERAS_DISTRIBUTION_JOB_ADDRESSES and
its companions, as `keras.distribution.initialize` does. Each process has one device.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import keras

from odconv_keras.train.processes import Processes
from odconv_training import TrainingError


@contextmanager
def joined(device: str | None) -> Iterator[Processes]:
    """Meets the other processes of this training, if there are any.

    Args:
        device: such as "cpu" or "gpu:1"; by default a GPU if there is one.

    Raises:
        TrainingError: the device is unknown, the backend cannot train in several processes, or
            another process ended before its time.
    """
    with _meeting() as processes, _placed(device):  # JAX meets before its first array
        yield processes
        # Who leaves early looks as if it had died to those that are still writing.
        processes.total(0)


def device_name() -> str:
    """Where Keras computes, in the words of its backend."""
    device = str(keras.ops.convert_to_tensor([0.0]).device)
    # TensorFlow names the job and the task, too.
    return f"{device.rpartition('device:')[2].lower()} of {keras.backend.backend()}"


def _meeting() -> AbstractContextManager[Processes]:
    backend = keras.backend.backend()
    workers = len(_tf_config().get("cluster", {}).get("worker", ()))
    peers = int(os.environ.get("KERAS_DISTRIBUTION_NUM_PROCESSES", 1))
    if backend == "tensorflow" and workers > 1:
        from odconv_keras.train import processes_tensorflow

        return processes_tensorflow.joined()
    if backend == "jax" and peers > 1:
        from odconv_keras.train import processes_jax

        return processes_jax.joined()
    if max(workers, peers) > 1:
        raise TrainingError(
            "expected TF_CONFIG with KERAS_BACKEND=tensorflow, or KERAS_DISTRIBUTION_NUM_PROCESSES "
            f"with KERAS_BACKEND=jax, received several processes with KERAS_BACKEND={backend}"
        )
    return nullcontext(Processes())


def _tf_config() -> dict[str, Any]:
    text = os.environ.get("TF_CONFIG", "{}")
    try:
        config = json.loads(text)
    except json.JSONDecodeError as error:
        raise TrainingError(f"TF_CONFIG: expected JSON, received {text[:80]!r}") from error
    return config if isinstance(config, dict) else {}


def _placed(device: str | None) -> AbstractContextManager[Any]:
    if device is None:
        return nullcontext()
    if not _exists(device):
        raise TrainingError(
            f"--device: expected a device of this machine such as cpu or gpu:0, received {device!r}"
        )
    scope: AbstractContextManager[Any] = keras.device(device)
    return scope


def _exists(device: str) -> bool:
    if keras.backend.backend() == "tensorflow":  # it takes a CPU for a device that it has not
        kind = device.partition(":")[0]
        devices = keras.distribution.list_devices(kind)
        return device in devices or (device == kind and bool(devices))
    try:
        with keras.device(device):
            keras.ops.ones(1)
    except (RuntimeError, ValueError, AssertionError):  # PyTorch without CUDA asserts
        return False
    return True
