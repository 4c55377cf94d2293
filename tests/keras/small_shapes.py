"""Convolutions of small shapes at a batch of one, forward and gradient, each before a witness.

    python tests/keras/small_shapes.py ours        # the layers of this package
    python tests/keras/small_shapes.py framework   # the operations of Keras and TensorFlow

Runs them in a child process that says each shape before it computes it, so that a crash names what
ended it; the next child goes on behind. On processors with AVX-512 the second command shows which
of oneDNN's operations crash. Nothing here is a test; test_small_shapes.py runs the first.
"""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product
from pathlib import Path

ROOT = Path(__file__).parents[2]
SIZES = ((10, 8, 6), (7, 5, 3))  # even and odd
WIDTHS = ((1, 3), (4, 8), (8, 8), (8, 16), (16, 16))
# kernel, strides, dilation
GEOMETRIES = ((1, 1, 1), (1, 2, 1), (1, 3, 1), (3, 1, 1), (3, 2, 1), (3, 1, 2))


def cases(which):
    """(kind, rank, sizes, in, out, kernel, strides, dilation, groups), all at a batch of one."""
    kinds = ("static", "od", "dy", "cond") if which == "ours" else ("conv", "depthwise")
    found = []
    for kind, rank, widths, geometry in product(kinds, (1, 2, 3), WIDTHS, GEOMETRIES):
        dynamic = kind in ("od", "dy", "cond")
        if dynamic and (rank != 2 or widths[0] not in (4, 8)):
            continue
        if kind == "depthwise" and rank == 3:  # Keras has none
            continue
        for sizes in SIZES:
            options = (1, widths[0]) if which == "ours" and widths[0] == widths[1] else (1,)
            for groups in options:
                found.append((kind, rank, sizes[:rank], *widths, *geometry, groups))
    return found


def sweep(which):
    """What went wrong: the case, and how its process ended or what differs."""
    failures, start, total = [], 0, len(cases(which))
    while start < total:
        command = [sys.executable, __file__, "child", which, str(start)]
        environment = os.environ | {
            "KERAS_BACKEND": "tensorflow",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONPATH": str(ROOT),
        }
        child = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        lines = [line for line in child.stdout.splitlines() if line.startswith("case ")]
        if not lines:
            raise RuntimeError(f"expected a child that begins, received {child.stderr[-2000:]}")
        failures += [line for line in lines if " differs" in line]
        if child.returncode == 0:
            break
        failures.append(f"{lines[-1]} ended the process with {child.returncode}")
        start = int(lines[-1].split()[1]) + 1
    return failures


def _child(which, start):
    for index, case in enumerate(cases(which)):
        if index >= start:
            _say(f"case {index} {case}")
            run = _run_ours if which == "ours" else _run_framework
            if reason := run(*case):
                _say(f"case {index} {case} differs: {reason}")


def _run_ours(kind, rank, sizes, inputs, filters, kernel, strides, dilation, groups):
    """Single precision, which oneDNN computes, beside double precision, which it does not."""
    import numpy as np
    from helpers import fill
    from test_unit_strides import LAYERS

    if kind != "static" and groups > 1:
        filters = groups
    if kind == "static" and strides > 1 and dilation > 1:
        return None
    options = {
        "filters": filters,
        "kernel_size": kernel,
        "strides": strides,
        "dilation_rate": dilation,
        "groups": groups,
        "padding": kernel // 2,
    }
    options |= {} if kind == "static" else {"kernel_num": 2, "head_init": "published"}
    options |= {"norm": "layer"} if kind == "od" else {}
    layers = [LAYERS[kind][rank - 1](**options, dtype=d) for d in ("float32", "float64")]
    x = np.random.default_rng(0).standard_normal((1, *sizes, inputs))
    for layer in layers:
        layer.build(x.shape)
    fill(layers[0])
    layers[1].set_weights([w.astype("float64") for w in layers[0].get_weights()])
    return _difference(_gradients(layers[0], x), _gradients(layers[1], x))


def _run_framework(kind, rank, sizes, inputs, filters, kernel, strides, dilation, groups):
    import keras
    import numpy as np

    x = np.random.default_rng(0).standard_normal((1, *sizes, inputs))
    options = {"padding": "same", "strides": strides, "dilation_rate": dilation}
    if kind == "conv":
        layer_class = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)[rank - 1]
        arguments = (filters, kernel)
    else:
        layer_class = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)[rank - 1]
        arguments = (kernel,)
    layers = [layer_class(*arguments, **options, dtype=d) for d in ("float32", "float64")]
    for layer in layers:
        layer.build(x.shape)
    layers[1].set_weights([w.astype("float64") for w in layers[0].get_weights()])
    return _difference(_gradients(layers[0], x), _gradients(layers[1], x))


def _gradients(layer, x):
    """Output and gradients, as a training step computes them."""
    import tensorflow as tf

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            value = tf.reduce_sum(y * y)
        return [y, *tape.gradient(value, [x, *(v.value for v in layer.trainable_variables)])]

    return [t.numpy() for t in step(tf.constant(x, layer.compute_dtype))]


def _difference(found, expected):
    import numpy as np

    for index, (ours, exact) in enumerate(zip(found, expected, strict=True)):
        error = np.abs(ours - exact).max() / (np.abs(exact).max() + 1e-6)
        if not error < 1e-4:
            return f"array {index} by {error:.2g}"
    return None


def _say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1] == "child":
        _child(sys.argv[2], int(sys.argv[3]))
    else:
        for failure in sweep(sys.argv[1]):
            _say(failure)
        _say(f"{len(cases(sys.argv[1]))} cases of {sys.argv[1]}")
