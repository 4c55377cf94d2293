"""Runs a checkpoint in a framework, in a process of its own, and gathers what its layers give."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from weights_converter.arrays.dtypes import Array
from weights_converter.errors import ConverterError, UsageError, legible
from weights_converter.identify.request import Request

_SECONDS = 1800
_LAST_WORDS = 1500


@dataclass(frozen=True)
class Runtime:
    """A framework, the modules that it needs, and its process's environment."""

    framework: str
    modules: tuple[str, ...]
    environment: Mapping[str, str]

    @property
    def installed(self) -> bool:
        return all(find_spec(module) is not None for module in self.modules)


def _keras(backend: str) -> Runtime:
    # TensorFlow writes its greetings to standard error unless told not to.
    environment = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return Runtime("keras", ("keras", backend), environment)


RUNTIMES: Final[Mapping[str, Runtime]] = {
    "torch": Runtime("torch", ("torch",), {}),
    "paddle": Runtime("paddle", ("paddle",), {"GLOG_minloglevel": "2"}),
    "keras-tensorflow": _keras("tensorflow"),
    "keras-jax": _keras("jax"),
    "keras-torch": _keras("torch"),
}


def check_runtime(name: str) -> None:
    """Raises UsageError where there is no such runtime, or it is not installed."""
    if name not in RUNTIMES:
        raise UsageError(f"unknown runtime {legible(name)}: expected {', '.join(RUNTIMES)}")
    if not RUNTIMES[name].installed:
        needed = " and ".join(RUNTIMES[name].modules)
        raise UsageError(f"the runtime {name} needs {needed}", help="install what is missing")


def usual_runtime(layout: str) -> str:
    """The runtime whose files have this layout. Raises UsageError where none is installed."""
    framework = "keras" if layout == "tensorflow" else layout
    names = [name for name, runtime in RUNTIMES.items() if runtime.framework == framework]
    return next((name for name in names if RUNTIMES[name].installed), names[0])


def layer_outputs(request: Request, runtime: str, probe: Array) -> dict[str, Array]:
    """Attribute path -> what the layer gives for the probe, channels first, in order of execution.

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
        given, found = Path(folder, "probe.npz"), Path(folder, "outputs.npz")
        np.savez(given, probe=probe)
        framework = RUNTIMES[runtime].framework
        command = [sys.executable, "-m", "weights_converter.outputs.child", framework]
        _run(runtime, [*command, request.to_json(), str(given), str(found)])
        with np.load(found, allow_pickle=False) as outputs:
            return {name: outputs[name] for name in outputs.files}


def _run(runtime: str, command: list[str]) -> None:
    try:
        done = subprocess.run(
            command,
            env=os.environ | RUNTIMES[runtime].environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ConverterError(f"{runtime} did not finish within {_SECONDS} s") from error
    if done.returncode:
        words = done.stderr.strip()[-_LAST_WORDS:]
        raise ConverterError(f"{runtime} stopped with exit code {done.returncode}:\n{words}")
