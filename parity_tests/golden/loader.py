"""Reads the numbers that the published layers gave."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from odconv_spec import CondConvSpec, DyConvSpec, DynamicConvSpec, ODConvSpec

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
    }
)
_KINDS: Mapping[str, tuple[type[DynamicConvSpec], Mapping[str, Any]]] = MappingProxyType(
    {
        "odconv": (ODConvSpec, {}),
        "dyconv": (DyConvSpec, {"hidden_rule": "plus_one", "bias": True}),
        "condconv": (CondConvSpec, {"bias": True}),
    }
)
_CONDCONV_PATHS = MappingProxyType({"conv.": "", "route.fc.": "routing."})


@dataclass(frozen=True)
class GoldenTraining:
    """A pass in training mode: gradients of sum(output * grad_output), statistics after it."""

    grad_output: npt.NDArray[np.float64]
    output: npt.NDArray[np.float64]
    grad_input: npt.NDArray[np.float64]
    grads: Arrays
    statistics: Arrays


@dataclass(frozen=True)
class GoldenLayer:
    """One layer with its arrays by canonical name, an input, and the results in inference mode."""

    spec: DynamicConvSpec
    temperature: float
    arrays: Arrays
    input: npt.NDArray[np.float64]
    output: npt.NDArray[np.float64]
    attentions: Arrays
    training: GoldenTraining | None


def golden_files() -> tuple[str, ...]:
    """The names that `load_golden` accepts."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.npz")))


def load_golden(name: str) -> GoldenLayer:
    """Reads one of `golden_files()`; `training` is None where the batch has a single sample."""
    with np.load(FOLDER / f"{name}.npz") as file:
        stored = dict(file)
    config = json.loads(str(stored["config"]))
    return GoldenLayer(
        spec=_spec(config),
        temperature=config["run_temperature"],
        arrays=_under("weights/", stored),
        input=stored["input"],
        output=stored["eval/output"],
        attentions=_under("eval/attention/", stored),
        training=_training(stored) if "grad_output" in stored else None,
    )


def _spec(config: Mapping[str, Any]) -> DynamicConvSpec:
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
        _canonical(name.removeprefix(prefix)): array
        for name, array in stored.items()
        if name.startswith(prefix)
    }


def _canonical(name: str) -> str:
    """The published CondConv keeps its router outside of the layer."""
    for path, canonical in _CONDCONV_PATHS.items():
        if name.startswith(path):
            return canonical + name.removeprefix(path)
    return name
