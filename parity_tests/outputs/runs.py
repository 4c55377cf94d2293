"""Runs a checkpoint in a runtime, in a process of its own, and returns its layers' outputs."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from parity_tests.processes import WorkerError, answers
from parity_tests.runtimes import RUNTIMES
from weights_converter.arrays.dtypes import Array
from weights_converter.errors import ConverterError, UsageError, legible
from weights_converter.identify.request import Request


def check_runtime(name: str) -> None:
    """Raises UsageError where there is no such runtime, or it is not installed."""
    if name not in RUNTIMES:
        raise UsageError(f"unknown runtime {legible(name)}: expected {', '.join(RUNTIMES)}")
    runtime = RUNTIMES[name]
    if not runtime.installed:
        raise UsageError(
            f"the runtime {name} needs {' and '.join(runtime.modules)}", help=runtime.install
        )


def usual_runtime(layout: str) -> str:
    """The runtime whose files have this layout; of several the first that is installed."""
    framework = "keras" if layout == "tensorflow" else layout
    names = [name for name, runtime in RUNTIMES.items() if runtime.framework == framework]
    return next((name for name in names if RUNTIMES[name].installed), names[0])


def layer_outputs(request: Request, runtime: str, probe: Array) -> dict[str, Array]:
    """Attribute path -> the layer's output for the probe, channels first, in order of execution.

    Args:
        request: a file, whose model is a spec.
        runtime: one of `RUNTIMES`.
        probe: images (batch, channels, height, width).

    Raises:
        UsageError: the runtime is unknown or not installed.
        ConverterError: the run failed; with the process's last words.
    """
    check_runtime(runtime)
    with TemporaryDirectory() as folder:
        images, outputs = Path(folder, "probe.npz"), Path(folder, "outputs.npz")
        np.savez(images, probe=probe)
        _run(runtime, (request.to_json(), str(images), str(outputs)))
        with np.load(outputs, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}


def _run(runtime: str, arguments: tuple[str, ...]) -> None:
    environment = os.environ | RUNTIMES[runtime].environment
    try:
        for _ in answers(runtime, "parity_tests.outputs.worker", arguments, environment):
            pass  # the worker answers by its file
    except WorkerError as error:
        raise ConverterError(str(error)) from error
