"""`python -m benchmarks.strides`: pointwise convolutions with a stride beside TensorFlow's own.

Keras' layers here take the positions that the kernel sees and convolve those, because TensorFlow's
own operation may end the process. Both run in turns in one process, as a graph; forward, and
forward with both gradients. A ratio of 1 costs nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from benchmarks.machine import cores, instructions
from benchmarks.parsers import strides_parser
from benchmarks.timing import alternate

# (batch, height, width, in), out: odd and even maps, large and small, one sample
SHAPES = (
    ((8, 27, 29, 128), 256),
    ((8, 28, 28, 128), 256),
    ((32, 55, 57, 64), 128),
    ((1, 7, 7, 512), 1024),
    ((8, 13, 15, 24), 48),
)
Function = Callable[[Any, Any], Any]


def main(arguments: list[str]) -> int:
    rounds = strides_parser().parse_args(arguments).rounds
    for name, value in (("KERAS_BACKEND", "tensorflow"), ("TF_CPP_MIN_LOG_LEVEL", "3")):
        os.environ.setdefault(name, value)
    _say(f"medians of {rounds} runs in turns, {cores()} cores, {instructions()}\n\n")
    _say("| map | what | TensorFlow's, ms | ours, ms | times |\n|---|---|---|---|---|\n")
    for shape, filters in SHAPES:
        for what in ("forward", "gradients"):
            own, ours, ratio = _times(shape, filters, what == "gradients", rounds)
            size = "x".join(map(str, shape))
            _say(f"| {size} | {what} | {own:.2f} | {ours:.2f} | {ratio:.2f} |\n")
    return 0


def _times(
    shape: tuple[int, ...], filters: int, gradients: bool, rounds: int
) -> tuple[float, float, float]:
    import tensorflow as tf

    from odconv_keras.layers.conv import conv
    from odconv_keras.layers.padding import Window

    window = Window.of((1, 1), (2, 2), 0, (1, 1))
    generator = np.random.default_rng(0)
    x, kernel = (
        tf.constant(generator.standard_normal(s, "float32"))
        for s in (shape, (1, 1, shape[-1], filters))
    )
    functions: dict[str, Function] = {
        "own": lambda x, kernel: tf.nn.conv2d(x, kernel, 2, "VALID"),
        "ours": lambda x, kernel: conv(x, kernel, window),
    }
    if gradients:
        functions = {name: _with_gradients(function) for name, function in functions.items()}
    compiled = {name: tf.function(function) for name, function in functions.items()}
    runs = {name: lambda f=f: f(x, kernel) for name, f in compiled.items()}
    for run in runs.values():
        run()
    times = alternate(runs, rounds)
    own, ours = times["own"], times["ours"]
    ratio = median(b / a for a, b in zip(own, ours, strict=True))
    return 1e3 * median(own), 1e3 * median(ours), ratio


def _with_gradients(function: Function) -> Function:
    import tensorflow as tf

    def step(x: Any, kernel: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = function(x, kernel)
        return y, *tape.gradient(y, [x, kernel], y)

    return step


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
