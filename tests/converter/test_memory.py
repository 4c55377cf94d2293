"""A conversion takes twice the largest array and 64 MiB, however large the checkpoint is."""

from __future__ import annotations

import math

import pytest

from benchmarks.conversion import MIB, peak
from odconv_spec import model_spec
from tests.converter.helpers import LAYOUT_OF, arrays_of, save
from tests.quick import quick
from weights_converter import verify

# Twelve kernels of 9 MiB, which together are more than the bound.
SPEC = model_spec("od_resnet18", kernel_num=4, stages=[[256, 6]], stem_channels=256)


def largest(spec):
    return max(4 * math.prod(parameter.shape) for parameter in spec.parameters())


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = save(tmp_path_factory.mktemp("large") / "a.pth", SPEC, arrays_of(SPEC))
    assert path.stat().st_size > 2 * largest(SPEC) + 64 * MIB
    return path


@pytest.mark.parametrize("ending", quick([".pdparams", ".weights.h5"], LAYOUT_OF))
def test_peak(source, tmp_path, ending):
    target = tmp_path / f"b{ending}"
    assert peak(source, target) <= 2 * largest(SPEC) / MIB + 64
    assert verify(source, target).equal


@pytest.mark.slow
@pytest.mark.parametrize("ending", LAYOUT_OF)
def test_peak_of_the_largest_published_model(tmp_path, ending):
    spec = model_spec("od_resnet50", kernel_num=4)
    source = save(tmp_path / "a.pth", spec, arrays_of(spec))
    assert peak(source, tmp_path / f"b{ending}") <= 2 * largest(spec) / MIB + 64
