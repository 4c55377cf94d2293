"""Random models with random bits, there and back through every pair of formats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odconv_spec import model_spec
from tests.converter.helpers import save
from tests.quick import quick
from weights_converter import convert
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request

ENDINGS = (".pth", ".safetensors", ".pdparams", ".weights.h5", ".npz")
DTYPES = ("float16", "float32", "float64")
# NaNs that signal or not, with payloads, of both signs; infinities; -0.0; subnormals.
_FRACTION_BITS = {"float16": 10, "float32": 23, "float64": 52}


def specials(dtype):
    bits = 8 * np.dtype(dtype).itemsize
    fraction = _FRACTION_BITS[dtype]
    sign, infinity = 1 << (bits - 1), ((1 << (bits - 1)) - 1) ^ ((1 << fraction) - 1)
    quiet = 1 << (fraction - 1)
    plain = [0, 1, quiet, infinity, infinity | 1, infinity | quiet, infinity | quiet | 5]
    return np.array([p | s for p in plain for s in (0, sign)], f"u{bits // 8}")


def random_bits(spec, dtype, seed):
    random = np.random.default_rng(seed)
    unsigned = specials(dtype).dtype
    arrays = {}
    for parameter in spec.parameters():
        bits = random.integers(0, 2 ** (8 * unsigned.itemsize), parameter.shape, unsigned)
        place = random.random(parameter.shape) < 0.3
        bits[place] = random.choice(specials(dtype), place.sum())
        arrays[parameter.name] = bits.view(dtype)
    return arrays


@st.composite
def specs(draw):
    kind = draw(st.sampled_from(["od", "dy", "cond", "static"]))
    width = st.integers(1, 9)
    options = {
        "stages": draw(st.lists(st.tuples(width, st.integers(1, 2)), min_size=1, max_size=2)),
        "stem_channels": draw(width),
        "num_classes": draw(st.integers(1, 4)),
    }
    if kind != "static":
        options["kernel_num"] = draw(st.integers(1 if kind == "od" else 2, 3))
    name = "resnet18" if kind == "static" else f"{kind}_resnet18"
    return model_spec(name, **options)


@pytest.mark.parametrize("examples", quick([4], [4, 40]))
def test_every_bit_comes_back(tmp_path_factory, examples):
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    chosen = settings(max_examples=examples, deadline=None, suppress_health_check=checks)
    chosen(goes_around)(tmp_path_factory)


@given(
    spec=specs(),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 2**32),
    path=st.permutations(ENDINGS),
)
def goes_around(tmp_path_factory, spec, dtype, seed, path):
    """A circle through all formats, each step and its way back: all pairs in some examples."""
    folder = tmp_path_factory.mktemp("circle")
    arrays = random_bits(spec, dtype, seed)
    circle = [*path, path[0]]
    first = save(folder / f"0{circle[0]}", spec, arrays, circle[0])
    for step, ending in enumerate(circle[1:], 1):
        there, back = folder / f"{step}{ending}", folder / f"back{step}{circle[step - 1]}"
        convert(Request(first, spec), there, allow_nonfinite=True)
        convert(Request(there, spec), back, allow_nonfinite=True)
        for file in (there, back):
            found = open_model(Request(file, spec)).tensors
            for name, array in arrays.items():
                assert found[name].load().tobytes() == array.tobytes(), (name, file.name)
        first = there
