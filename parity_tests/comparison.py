"""The distance between what a runtime returns and what the reference returns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from parity_tests.problems import Case
from parity_tests.reference import Run, Training
from parity_tests.tolerances import TOLERANCES, relative_error


@dataclass(frozen=True)
class Record:
    """The worst array of one kind in one case."""

    case: str
    group: str
    dtype: str
    quantity: str
    error: float
    tolerance: float
    worst: str

    @property
    def ok(self) -> bool:
        return self.error <= self.tolerance

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        verdict = "ok" if self.ok else "DIFFERS"
        return (
            f"{verdict}  {self.case}  {self.quantity}  relative error {self.error:.2e} "
            f"(tolerance {self.tolerance:.0e}) in {self.worst}"
        )


Tables = dict[str, dict[str, npt.NDArray[Any]]]


def compare(case: Case, actual: Run | Training, expected: Run | Training) -> Iterator[Record]:
    """One record for each quantity that the reference has. A missing array is infinitely far."""
    tolerance = TOLERANCES[case.group, case.dtype]
    found = tables(actual)
    for quantity, arrays in tables(expected).items():
        scale = max((float(np.abs(a).max()) for a in arrays.values() if a.size), default=0.0)
        errors = {
            name: relative_error(found[quantity][name], array, scale)
            if name in found.get(quantity, {})
            else float("inf")
            for name, array in arrays.items()
        }
        worst = max(errors, key=lambda name: errors[name])
        yield Record(
            case.id,
            case.group,
            case.dtype,
            quantity,
            errors[worst],
            tolerance,
            worst,
        )


def tables(result: Run | Training) -> Tables:
    """quantity -> name -> array, without empty quantities."""
    if isinstance(result, Training):
        return {"losses": {"losses": np.asarray(result.losses)}, "arrays after": result.arrays}
    found: Tables = {
        "output": {"output": result.output},
        "attentions": _flat(result.attentions),
        "grad input": {} if result.grad_input is None else {"input": result.grad_input},
        "grad arrays": result.grads,
        "statistics": result.statistics,
    }
    return {quantity: arrays for quantity, arrays in found.items() if arrays}


def _flat(attentions: dict[str, Any]) -> dict[str, npt.NDArray[Any]]:
    """A layer's attentions, each as one vector for each sample: (batch, values).

    Where the axes of one stand is a matter of each framework's broadcasting. Those of a network's
    layers are compared through its output.
    """
    arrays = {name: a for name, a in attentions.items() if not isinstance(a, dict)}
    return {name: array.reshape(len(array), -1) for name, array in arrays.items()}
