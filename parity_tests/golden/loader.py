"""Reads the numbers that the published layers gave."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from odconv_spec import ODConvSpec

Arrays: TypeAlias = dict[str, npt.NDArray[np.float64]]

FOLDER = Path(__file__).parent
_NOT_OPTIONS = ("kind", "reference", "run_temperature")


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

    spec: ODConvSpec
    temperature: float
    arrays: Arrays
    input: npt.NDArray[np.float64]
    output: npt.NDArray[np.float64]
    attentions: Arrays
    training: GoldenTraining | None


def odconv_files() -> tuple[str, ...]:
    """The names that `load_odconv` accepts."""
    return tuple(sorted(path.stem for path in FOLDER.glob("odconv_*.npz")))


def load_odconv(name: str) -> GoldenLayer:
    """Reads one of `odconv_files()`; `training` is None where the batch has a single sample."""
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


def _spec(config: Mapping[str, Any]) -> ODConvSpec:
    options = {name: value for name, value in config.items() if name not in _NOT_OPTIONS}
    return ODConvSpec(
        in_channels=options.pop("in_planes"), out_channels=options.pop("out_planes"), **options
    )


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
