"""Rounding to other float widths, against an oracle that searches the nearest number."""

from __future__ import annotations

import numpy as np
import pytest

from weights_converter.arrays.casting import Loss, cast, cast_tag, loss
from weights_converter.arrays.dtypes import CARRIERS
from weights_converter.arrays.precision import LARGEST, numbers, rounded

RANDOM = np.random.default_rng(0)
COUNT = 200_000


def doubles():
    """Random patterns, numbers of all sizes, and the neighbours and midpoints of bfloat16s."""
    patterns = RANDOM.integers(0, 2**64, COUNT, dtype=np.uint64).view("f8")
    sizes = RANDOM.normal(size=COUNT) * 10.0 ** RANDOM.integers(-47, 40, COUNT)
    grid = magnitudes("BF16")
    middles = (grid[1:] + grid[:-1]) / 2
    around = [middles, np.nextafter(middles, 0), np.nextafter(middles, np.inf), grid]
    return np.concatenate([patterns, sizes, *around, -middles])


def magnitudes(tag):
    """Every finite number of a half-precision type that is not negative, in order."""
    infinity = {"BF16": 0x7F80, "F16": 0x7C00}[tag]
    return numbers(np.arange(infinity, dtype="u2").view(CARRIERS[tag]), tag).astype("f8")


def nearest(values, tag):
    """The bits of the nearest number, ties to even, by search among all there are."""
    grid = magnitudes(tag)
    limit = LARGEST[tag] + (grid[-1] - grid[-2]) / 2
    middles = (grid[1:] + grid[:-1]) / 2
    size = np.abs(values)
    place = np.searchsorted(middles, size)
    tied = np.append(middles, np.inf)[place] == size
    place = np.where(tied & (place % 2 == 1), place + 1, place)
    place = np.where(size >= limit, len(grid), place)  # len(grid) is the pattern of infinity
    return (place | (np.signbit(values).astype(int) << 15)).astype("u2")


@pytest.mark.parametrize("target", ["BF16", "F16"])
@pytest.mark.parametrize("tag", ["F64", "F32", "F16", "BF16"])
def test_every_number_becomes_the_nearest_one(tag, target):
    values = doubles()
    with np.errstate(all="ignore"):
        given = rounded(values[~np.isnan(values)], "F64", tag) if tag != "F64" else values
    exact = numbers(given, tag).astype("f8")
    finite = ~np.isnan(exact)
    result = rounded(given, tag, target).view("u2")
    assert np.array_equal(result[finite], nearest(exact[finite], target))


@pytest.mark.parametrize("target", ["F16", "BF16", "F32", "F64"])
@pytest.mark.parametrize("tag", ["F64", "F32", "F16", "BF16"])
def test_a_nan_stays_one_however_low_its_payload(tag, target):
    bits = CARRIERS[tag].itemsize * 8
    unsigned = f"u{bits // 8}"
    infinity = int(rounded(np.array([np.inf]), "F64", tag).view(unsigned)[0])
    payloads = [1, 2, 5, (1 << (bits - 2)) % (1 << (bits // 4))]
    patterns = [sign | infinity | p for p in payloads if p for sign in (0, 1 << (bits - 1))]
    nans = np.array(patterns, unsigned).view(CARRIERS[tag])
    result = numbers(rounded(nans, tag, target), target)
    assert np.isnan(result).all()
    assert np.array_equal(np.signbit(result), [bool(p >> (bits - 1)) for p in patterns])


def test_payloads_and_signs_that_bfloat16_has_room_for():
    bits = np.array([0x7FC10000, 0xFFA20000, 0x80000000, 0x00000001, 0x7F7FFFFF], "u4")
    result = rounded(bits.view("f4"), "F32", "BF16")
    assert [hex(word) for word in result] == ["0x7fc1", "0xffe2", "0x8000", "0x0", "0x7f80"]


def test_wider_types_hold_every_value():
    every = np.arange(1 << 16, dtype="u2")
    for tag in ("BF16", "F16"):
        given = every.view(CARRIERS[tag])
        for wide in ("F32", "F64"):
            back = rounded(rounded(given, tag, wide), wide, tag).view("u2")
            same = back == every
            assert same[~np.isnan(numbers(given, tag))].all()


def test_float8_by_its_definition():
    e4m3 = numbers(np.array([0x00, 0x01, 0x08, 0x38, 0x7E, 0x7F, 0xB8], "u1"), "F8_E4M3")
    assert e4m3.tolist()[:5] == [0, 2**-9, 2**-6, 1, 448] and e4m3[6] == -1
    assert np.isnan(e4m3[5])
    e5m2 = numbers(np.array([0x01, 0x04, 0x3C, 0x7B, 0x7C, 0xFC, 0x7D], "u1"), "F8_E5M2")
    assert e5m2.tolist()[:6] == [2**-16, 2**-14, 1, 57344, np.inf, -np.inf]
    assert np.isnan(e5m2[6])


def test_what_a_cast_loses():
    values = np.array([[70000.0, 1e-9, 0.0], [np.inf, np.nan, 1 + 2**-11 + 2**-20]], "f4")
    result = cast(values, "F32", "F16")
    assert result.dtype == np.float16 and result.shape == (2, 3)
    found = loss(values, "F32", result, "F16")
    assert (found.overflowed, found.largest, found.flushed) == (1, 70000.0, 1)
    assert found.relative_error == pytest.approx(2**-11, rel=1e-2)
    assert loss(values, "F32", values, "F32") == Loss()


def test_arrays_longer_than_a_piece_and_of_no_axis():
    values = RANDOM.normal(size=(3, 70_001)).astype("f4")
    result = cast(values, "F32", "BF16")
    assert np.array_equal(result, rounded(values, "F32", "BF16"))
    whole = loss(values, "F32", result, "BF16")
    error = np.abs(numbers(result, "BF16").astype("f8") - values) / np.abs(values.astype("f8"))
    assert whole.relative_error == error.max()
    assert cast(np.array(1.5, "f8"), "F64", "BF16").shape == ()
    assert cast(np.empty((0, 3), "f4"), "F32", "F64").shape == (0, 3)


def test_only_floats_are_cast():
    tags = {tag: cast_tag(tag, "float16") for tag in CARRIERS}
    assert {tag for tag, after in tags.items() if after != tag} == {
        "F64",
        "F32",
        "BF16",
        "F8_E4M3",
        "F8_E5M2",
        "F8_E4M3FNUZ",
        "F8_E5M2FNUZ",
    }
    assert all(cast_tag(tag, "keep") == tag for tag in CARRIERS)
