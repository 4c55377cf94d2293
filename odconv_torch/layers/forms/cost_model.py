"""Which form of a dynamic convolution takes the least time, by plain arithmetic.

No form is the best everywhere. Where maps are large, the kernels of each sample cost little
and arithmetic decides; where they are small and channels many, making and reading those kernels
takes longer than using them. The time of each form is a sum of amounts of work, each times what a
unit of it costs on a machine. Those few constants are measured: `measured_costs.py` has them, and
`python -m odconv_torch.calibrate` measures them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from odconv_spec.geometry import one_of

AUTO = "auto"
FORMS = ("grouped", "samples", "shared", "tiled", "patches")
COMPACT, PORTABLE, SINGLE, FOLDED = GRAPH_FORMS = ("compact", "portable", "single", "folded")
NATIVE = "native"  # the compiled operation where it takes the least time, "auto" elsewhere
FIXED_BATCH = (SINGLE, FOLDED)  # graphs for a number of samples that does not change
STRATEGIES = (AUTO, NATIVE, *FORMS, *GRAPH_FORMS)


def check_strategy(strategy: object) -> str:
    """`strategy` if it is one of `STRATEGIES`; otherwise raises ValueError."""
    return one_of("strategy", strategy, STRATEGIES)


@dataclass(frozen=True)
class Work:
    """One call of a layer.

    Attributes:
        batch: number of samples.
        kernel_size: elements of one kernel, out * in // groups * taps.
        columns: elements of one sample's patches, in * taps * positions; 0 where the map itself
            is its patches, as for a pointwise kernel.
        inputs: elements of one sample's map.
        outputs: elements of one sample's output.
        depth: elements of a kernel that one output sees, in // groups * taps.
        kernel_num: number of kernels.
        spatial: whether taps have an attention.
    """

    batch: int
    kernel_size: int
    columns: int
    inputs: int
    outputs: int
    depth: int
    kernel_num: int
    spatial: bool

    @property
    def multiply_adds(self) -> int:
        return self.batch * self.outputs * self.depth


@dataclass(frozen=True)
class Costs:
    """Nanoseconds for a unit of each kind of work.

    Attributes:
        conv: a multiply-add of a convolution with one kernel for all samples.
        grouped: a multiply-add of a convolution with samples as groups.
        sample: a multiply-add of a convolution of one sample.
        product: a multiply-add of a batched matrix product.
        kernel: an element of a kernel that is made for a sample.
        mixing: an element of a kernel that is mixed into one.
        tile: an element of a kernel that is copied into the cache, or made there for a sample.
        column: an element of the patches.
        output: an element of the output of one kernel.
        scale: an element of a map that an attention scales.
        call: a sample's own convolution, whatever its size.
        layer: a layer, whatever its size and form.
    """

    conv: float
    grouped: float
    sample: float
    product: float
    kernel: float
    mixing: float
    tile: float
    column: float
    output: float
    scale: float
    call: float
    layer: float


def amounts(form: str, work: Work) -> Mapping[str, float]:
    """How many units of each kind of work a form takes; names are those of `Costs`."""
    own = work.batch * work.kernel_size
    kernels = {"kernel": own, "mixing": own * (work.kernel_num if work.kernel_num > 1 else 0)}
    columns = work.batch * work.columns
    units: dict[str, float]
    maps = (work.inputs, work.outputs)
    # Attentions scale the kernels instead of maps that are larger.
    smaller = work.batch * sum(size for size in maps if size <= work.kernel_size)
    if form == "grouped":
        rate = "conv" if work.batch == 1 else "grouped"
        units = {rate: work.multiply_adds, **kernels, "scale": smaller}
    elif form == "samples":
        calls = {"sample": work.multiply_adds, "call": work.batch}
        units = {**calls, **kernels, "scale": smaller}
    elif form == "shared":
        units = {
            "conv": work.multiply_adds * work.kernel_num,
            # Many outputs of each position take patches, whoever makes them.
            "column": columns if work.spatial or work.kernel_num > 1 else 0,
            "output": work.batch * work.outputs * work.kernel_num,
        }
    elif form == "tiled":
        bank = work.kernel_num * work.kernel_size
        tiles = kernels["kernel"] + kernels["mixing"] + bank
        units = {"product": work.multiply_adds, "tile": tiles, "column": columns}
    elif form == NATIVE:
        # One loop mixes all kernels of a sample, and packs patches, faster than several calls.
        bank = work.kernel_num * work.kernel_size
        units = {
            "product": 0.85 * work.multiply_adds,
            "tile": 0.3 * (own + bank),
            "column": 0.3 * columns or 0.2 * work.batch * work.inputs,
            "scale": 0,
            "layer": 0.95,
        }
    else:
        units = {
            "product": work.multiply_adds,
            **kernels,
            "column": columns,
            "scale": smaller,
        }
    return {"scale": work.batch * sum(maps), **units, "layer": 1}


def seconds(form: str, work: Work, costs: Costs) -> float:
    """The time that the form takes, by the model."""
    units = vars(costs)
    return float(1e-9 * sum(units[kind] * amount for kind, amount in amounts(form, work).items()))


def cheapest(forms: tuple[str, ...], work: Work, costs: Costs) -> str:
    """The one of `forms` that takes the least time, by the model."""
    return min(forms, key=lambda form: seconds(form, work, costs))
