"""`python -m odconv_torch.calibrate [FILE] [--device cuda]`: what work costs on this machine.

Times every form of the dynamic convolution on layers of different shapes, and finds the constants
of the model of costs that explain the times best. Takes a few minutes; nothing else should run.
Writes them as JSON to FILE or to standard output. `set_strategy(model, **load_costs(FILE))` uses
them.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch

from odconv_torch.layers.forms.choice import work_of
from odconv_torch.layers.forms.cost_model import FORMS, Costs, Work, amounts
from odconv_torch.layers.od_conv import ODConv2d
from odconv_torch.layers.window import Window
from odconv_torch.parsers import calibrate_parser
from odconv_torch.tools.strategy import set_strategy

_RUNS = 5
_STEPS = 2000  # of the search for constants
_MOST_SECONDS = 1.0  # a form that takes longer is out of the question, and is not timed again
_HOPELESS = 4  # times the best: how slow such a form is need not be explained
# Of relative errors, 1, layers that take no time would count as much as those that do; of seconds,
# 0, they would not count.
_POWER = 0.8


class Shape(NamedTuple):
    """A layer and its input."""

    batch: int
    in_channels: int
    out_channels: int
    size: int
    kernel_size: int
    kernel_num: int


_SHAPES = tuple(
    Shape(batch, *shape, kernel_num)
    for batch in (1, 8, 32)
    for shape in (
        (64, 64, 56, 3),
        (128, 128, 28, 3),
        (256, 256, 14, 3),
        (512, 512, 7, 3),
        (64, 256, 56, 1),
        (256, 64, 56, 1),
        (128, 512, 28, 1),
        (1024, 256, 14, 1),
        (512, 2048, 7, 1),
        (16, 96, 112, 1),
        (144, 24, 56, 1),
        (32, 192, 28, 1),
        (384, 64, 14, 1),
        (960, 160, 7, 1),
        (320, 1280, 7, 1),
    )
    for kernel_num in (1, 4)
)


def main(arguments: list[str]) -> int:
    parser = calibrate_parser()
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error(
            "--device cuda: expected a GPU and a PyTorch that is built for it, received torch "
            f"{torch.__version__}, whose torch.cuda.is_available() is False"
        )
    if options.file is not None and not options.file.parent.is_dir():
        # Minutes of measuring would be lost.
        parser.error(f"FILE: expected a folder that exists, received {options.file.parent}")
    constants = {
        name: calibrate(training, device=options.device)
        for name, training in (("inference", False), ("training", True))
    }
    text = json.dumps({name: asdict(costs) for name, costs in constants.items()}, indent=2)
    if options.file is None:
        sys.stdout.write(text + "\n")
    else:
        options.file.write_text(text + "\n", encoding="utf-8")
    return 0


def load_costs(path: str | Path) -> dict[str, Costs]:
    """The constants that this command has written, as `set_strategy` takes them.

    Raises:
        ValueError: the file holds something else.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        return {name: Costs(**content[name]) for name in ("inference", "training")}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: expected the output of python -m odconv_torch.calibrate, received {error!r}"
        ) from error


def calibrate(training: bool, shapes: Iterable[Shape] = _SHAPES, device: str = "cpu") -> Costs:
    """The constants that explain the times of this machine, or of its GPU."""
    return fit(list(_measured(training, shapes, device)))


def _measured(
    training: bool, shapes: Iterable[Shape], device: str
) -> Iterator[tuple[str, Work, float]]:
    """(form, work, seconds) of each shape and each form that is not hopeless for it."""
    for shape in shapes:
        layer = ODConv2d(
            shape.in_channels,
            shape.out_channels,
            shape.kernel_size,
            padding=shape.kernel_size // 2,
            kernel_num=shape.kernel_num,
            device=device,
        ).train(training)
        x = torch.randn(shape.batch, shape.in_channels, shape.size, shape.size, device=device)
        x.requires_grad_(training)
        timed = []
        for form in FORMS:
            set_strategy(layer, form)
            timed.append((form, _work(layer, x), _seconds(layer, x, training)))
        best = min(seconds for *_, seconds in timed)
        yield from (row for row in timed if row[-1] < _HOPELESS * best)


def _work(layer: ODConv2d, x: torch.Tensor) -> Work:
    spec = layer.spec
    window = Window(spec.strides, spec.pads, spec.dilations, spec.groups)
    return work_of(x.shape, layer.weight.shape, spatial=spec.kernel != (1, 1), window=window)


def _seconds(layer: ODConv2d, x: torch.Tensor, training: bool) -> float:
    _once(layer, x, training)  # the first run has memory to get
    times = [_once(layer, x, training)]
    while len(times) < _RUNS and times[0] < _MOST_SECONDS:
        times.append(_once(layer, x, training))
    return median(times)


def _once(layer: ODConv2d, x: torch.Tensor, training: bool) -> float:
    start = time.perf_counter()
    with torch.set_grad_enabled(training):
        y = layer(x)
        if training:
            torch.autograd.backward(y, torch.ones_like(y))
    if y.is_cuda:  # which works behind the program
        torch.cuda.synchronize()
    return time.perf_counter() - start


def fit(measured: list[tuple[str, Work, float]]) -> Costs:
    """The constants, none below 0, with the least squares of nearly relative errors."""
    kinds = [field.name for field in fields(Costs)]
    rows = []
    for form, work, seconds in measured:
        units = amounts(form, work)
        rows.append([units.get(kind, 0) * 1e-9 / seconds**_POWER for kind in kinds])
    matrix = torch.tensor(rows, dtype=torch.float64)
    target = torch.tensor([seconds ** (1 - _POWER) for *_, seconds in measured])
    scale = matrix.amax(0).clamp(min=1e-30)
    costs = _non_negative(matrix / scale, target.to(matrix.dtype)) / scale
    return Costs(**dict(zip(kinds, costs.tolist(), strict=True)))


def _non_negative(matrix: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The x of which none is below 0 and for which matrix @ x is closest to the target.

    One coordinate after the other is set to its best value.
    """
    solution = torch.zeros(matrix.shape[1], dtype=matrix.dtype)
    rest = target.clone()
    squares = matrix.square().sum(0).clamp(min=1e-30)
    for step in range(_STEPS):
        index = step % len(solution)
        column = matrix[:, index]
        best = (solution[index] + column @ rest / squares[index]).clamp(min=0)
        rest -= column * (best - solution[index])
        solution[index] = best
    return solution


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
