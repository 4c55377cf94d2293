"""What was measured of a case, and the ratios that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import Any, NamedTuple

from benchmarks.cases import (
    COMPILED,
    CONVERSIONS,
    LOAD_AND_SAVE,
    OFFICIAL,
    OFFICIAL_STATIC,
    OURS,
    OURS_LAST,
    PUBLISHED,
    STATIC,
    STATIC_LAST,
    Case,
)

# The faster of the official static network and ours, both with channels first in memory.
BETTER_STATIC = "better static"
_RATIOS = (
    (PUBLISHED, STATIC),
    (PUBLISHED, OURS),
    (COMPILED, OURS),
    (OURS, OFFICIAL),
    (OURS, STATIC_LAST),
    (OURS, BETTER_STATIC),
    (OURS_LAST, STATIC_LAST),
    (OURS_LAST, OURS),
)


class Spread(NamedTuple):
    """The median and the quartiles around it."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, _, high = quantiles(values, n=4, method="inclusive")
        return cls(low, median(values), high)


@dataclass(frozen=True)
class Record:
    """The figures of one case in one runtime.

    Attributes:
        runtime: such as "keras-jax".
        case: `Case.id`.
        group: one of `benchmarks.cases.GROUPS`.
        subject: the layer or network.
        kind: as in `Case`.
        kernel_num: kernels that are mixed, if any.
        mode: "inference" or "training"; of a conversion, the ending of what it writes.
        batch: samples in a run, 0 of a conversion.
        unit: "ms" of a run, or "MiB" at the peak.
        figures: variant -> one figure a round; none of a variant that found no memory.
        difference: largest difference of two variants that compute the same over the largest
            value, if two do.
        strategy: the one that ours was forced to, or "auto".
    """

    runtime: str
    case: str
    group: str
    subject: str
    kind: str
    kernel_num: int | None
    mode: str
    batch: int
    unit: str
    figures: Mapping[str, Sequence[float]]
    difference: float | None
    strategy: str

    @classmethod
    def of(cls, case: Case, **measured: Any) -> Record:
        return cls(
            case=case.id,
            group=case.group,
            subject=str(case.subject),
            kind=case.kind,
            kernel_num=case.kernel_num,
            mode=case.mode,
            batch=case.batch,
            **measured,
        )

    @property
    def base(self) -> str:
        """The variant that the others stand beside."""
        return LOAD_AND_SAVE if self.group == CONVERSIONS else STATIC

    def spread(self, variant: str) -> Spread | None:
        """None if the variant was not run."""
        figures = self.figures.get(variant)
        return Spread.of(figures) if figures else None

    def ratio(self, variant: str, over: str) -> Spread | None:
        """Of neighbouring runs; None if one of the two was not run."""
        if over == BETTER_STATIC:
            over = self._better_static()
        ours, theirs = self.figures.get(variant), self.figures.get(over)
        if not ours or not theirs:
            return None
        return Spread.of([a / b for a, b in zip(ours, theirs, strict=True)])

    def _better_static(self) -> str:
        """ "" where no official code is beside ours."""
        names = (STATIC, OFFICIAL_STATIC) if OFFICIAL in self.figures else ()
        run = [name for name in names if self.figures.get(name)]
        return min(run, key=lambda name: median(self.figures[name]), default="")

    def to_dict(self) -> dict[str, Any]:
        """As JSON, with the medians and ratios beside the figures that they come from."""
        medians = {name: median(values) for name, values in self.figures.items() if values}
        ratios = {}
        for variant, over in ((OURS, self.base), *_RATIOS):
            found = self.ratio(variant, over)
            if found is not None:
                ratios[f"{variant} / {over}"] = found._asdict()
        return asdict(self) | {"medians": medians, "ratios": ratios}
