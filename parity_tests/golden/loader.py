"""Reads the numbers that the published layers gave."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from odconv_spec import (
    CBAMSpec,
    CondConvSpec,
    DyConvSpec,
    DynamicConvSpec,
    EfficientChannelAttentionSpec,
    LinearSpec,
    ODConvSpec,
    RecalibrationSpec,
    SqueezeExcitationSpec,
)
from parity_tests.kinds import KINDS
from parity_tests.reference.kernel_warehouse import KWChainSpec

Arrays: TypeAlias = dict[str, npt.NDArray[np.float64]]

FOLDER = Path(__file__).parent
# What the published classes call otherwise, and what is no option of the layer.
_OPTIONS: Mapping[str, str | None] = MappingProxyType(
    {
        "in_planes": "in_channels",
        "out_planes": "out_channels",
        "K": "kernel_num",
        "num_experts": "kernel_num",
        "kind": None,
        "reference": None,
        "run_temperature": None,
        "temperature": None,  # at the start of a training
        "channel": "channels",
        "gate_channels": "channels",
        "reduction_ratio": "reduction",
        "k_size": "kernel_size",
        "no_spatial": None,  # False in all files, as is our default
    }
)
_Spec: TypeAlias = DynamicConvSpec | LinearSpec | RecalibrationSpec | KWChainSpec
_KINDS: Mapping[str, tuple[Callable[..., _Spec], Mapping[str, Any]]] = MappingProxyType(
    {
        "odconv": (ODConvSpec, {}),
        "dyconv": (DyConvSpec, {"hidden_rule": "plus_one", "bias": True}),
        "condconv": (CondConvSpec, {"bias": True}),
        "se": (SqueezeExcitationSpec, {}),
        "cbam": (CBAMSpec, {}),
        "eca": (EfficientChannelAttentionSpec, {}),
    }
)
# The published CondConv keeps its router outside of the layer.
_PATHS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"condconv": MappingProxyType({"conv.": "", "route.fc.": "routing."})}
)


@dataclass(frozen=True)
class GoldenTraining:
    """A pass in training mode: gradients of sum(output * grad_output), statistics after it.

    Example:
        >>> found = load_golden("odconv_00").training
        >>> found.grad_output.shape == found.output.shape, sorted(found.statistics)
        (True, ['attention.bn.running_mean', 'attention.bn.running_var'])
    """

    grad_output: npt.NDArray[np.float64]
    output: npt.NDArray[np.float64]
    grad_input: npt.NDArray[np.float64]
    grads: Arrays
    statistics: Arrays


@dataclass(frozen=True)
class GoldenLayer:
    """One layer with its arrays by canonical name, an input, and the results in inference mode.

    Example:
        >>> layer = load_golden("odconv_00")
        >>> layer.spec.layer_name, layer.output.shape, sorted(layer.attentions)
        ('ODConv2d', (3, 8, 7, 9), ['channel', 'filter', 'spatial'])
    """

    spec: _Spec
    temperature: float
    arrays: Arrays
    input: npt.NDArray[np.float64]
    output: npt.NDArray[np.float64]
    attentions: Arrays
    training: GoldenTraining | None


def golden_files() -> tuple[str, ...]:
    """The names that `load_golden` accepts.

    Returns:
        Names, sorted.

    Example:
        >>> len(golden_files()) > 10
        True
    """
    return tuple(sorted(path.stem for path in FOLDER.glob("*.npz")))


def load_golden(name: str) -> GoldenLayer:
    """Reads one of `golden_files()`; `training` is None where the batch has a single sample.

    Returns:
        The layer with what the published code computed for it.

    Example:
        >>> layer = load_golden("odconv_00")
        >>> layer.input.dtype.name, list(layer.arrays)[0]
        ('float64', 'weight')
    """
    with np.load(FOLDER / f"{name}.npz") as file:
        config = json.loads(str(file["config"]))
        other = KINDS.get(config["kind"])
        paths = other.paths if other else _PATHS.get(config["kind"], {})
        stored = {_canonical(key, paths): array for key, array in file.items()}
    return GoldenLayer(
        spec=_spec(config),
        temperature=config.get("run_temperature", config.get("temp_value", 1.0)),
        arrays=_under("weights/", stored),
        input=stored["input"],
        output=stored["eval/output"],
        attentions=_under("eval/attention/", stored),
        training=_training(stored) if "grad_output" in stored else None,
    )


def _spec(config: Mapping[str, Any]) -> _Spec:
    other = KINDS.get(config["kind"])
    if other is not None and other.golden is not None:
        return other.golden(config)
    kind, defaults = _KINDS[config["kind"]]
    named = {_OPTIONS.get(name, name): value for name, value in config.items()}
    known = {name: value for name, value in named.items() if name is not None}
    return kind(**dict(defaults) | known)


def _training(stored: Arrays) -> GoldenTraining:
    grads = _under("train/grad/", stored)
    return GoldenTraining(
        grad_output=stored["grad_output"],
        output=stored["train/output"],
        grad_input=grads.pop("input"),
        grads=grads,
        statistics=_under("train/after/", stored),
    )


def _under(prefix: str, stored: Arrays) -> Arrays:
    return {
        name.removeprefix(prefix): array
        for name, array in stored.items()
        if name.startswith(prefix)
    }


def _canonical(key: str, paths: Mapping[str, str]) -> str:
    """A key of the file with the canonical path in place of the published one."""
    if key in paths:
        return paths[key]
    for path, canonical in paths.items():
        before, found, name = key.partition(f"/{path}")
        if found:
            return f"{before}/{canonical}{name}"
    return key
