"""`--dtype`, and values that nobody has said to want."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from odconv_spec import model_spec
from tests.converter.helpers import ENDINGS, SMALL_RESNET, arrays_of, save
from tests.quick import quick_rows
from weights_converter import RefusedError, UsageError, convert, formats, verify
from weights_converter.arrays.casting import DTYPES
from weights_converter.arrays.precision import numbers, rounded
from weights_converter.arrays.tensor import Tensor
from weights_converter.conversion.survey import Values, values_of
from weights_converter.identify.open_model import open_model

SPEC = model_spec("od_resnet18", kernel_num=2, **SMALL_RESNET)
HALF = {"allow_half_statistics": True}


def changed(name, index, value):
    arrays = arrays_of(SPEC)
    arrays[name].reshape(-1)[index] = value
    return arrays


@pytest.mark.parametrize(
    ("dtype", "ending"),
    quick_rows(
        [*product(DTYPES, [".pth"]), *product(["float16"], ENDINGS)], product(DTYPES, ENDINGS)
    ),
)
def test_floats_are_cast_and_the_file_is_proven(tmp_path, dtype, ending):
    arrays = arrays_of(SPEC)
    source = save(tmp_path / "a.pth", SPEC, arrays)
    report = convert(source, tmp_path / f"b{ending}", dtype=dtype, **HALF)
    assert report.proof.equal and report.provenance.dtype == dtype
    found = open_model(tmp_path / f"b{ending}").tensors
    for name, array in arrays.items():
        assert found[name].dtype == DTYPES[dtype]
        expected = rounded(array, "F32", DTYPES[dtype])
        assert found[name].load().tobytes() == expected.tobytes()


def test_integers_are_never_cast(tmp_path):
    arrays = arrays_of(SPEC)
    tensors = [Tensor.of(name, array) for name, array in arrays.items()]
    tensors.append(Tensor.of("bn1.num_batches_tracked", np.array(2**40 + 1)))
    formats.write(tmp_path / "a.pth", "torch", tensors, {})
    convert(tmp_path / "a.pth", tmp_path / "b.safetensors", dtype="bfloat16", **HALF)
    found = formats.read(tmp_path / "b.safetensors").tensors
    assert found["bn1.num_batches_tracked"].load() == 2**40 + 1
    assert {t.dtype for t in found.values()} == {"BF16", "I64"}


def test_a_cast_and_its_way_back(tmp_path):
    """What fits into bfloat16 comes back from it unharmed."""
    arrays = {
        name: numbers(rounded(array, "F32", "BF16"), "BF16")
        for name, array in arrays_of(SPEC).items()
    }
    source = save(tmp_path / "a.pth", SPEC, arrays)
    convert(source, tmp_path / "b.weights.h5", dtype="bfloat16", **HALF)
    convert(tmp_path / "b.weights.h5", tmp_path / "c.pth", dtype="float32")
    assert verify(source, tmp_path / "c.pth").equal


@pytest.mark.parametrize("proof", [True, False])
def test_overflow(tmp_path, proof):
    arrays = changed("fc.weight", 3, -71234.0)
    arrays["fc.weight"][1, 2] = 66000
    source, target = save(tmp_path / "a.pth", SPEC, arrays), tmp_path / "b.safetensors"
    with pytest.raises(RefusedError) as error:
        convert(source, target, dtype="float16", proof=proof, **HALF)
    assert str(error.value) == (
        "--dtype float16 would turn 2 values of fc.weight into Inf (max |x| 71234.0 > 65504)"
    )
    assert "--allow-overflow" in error.value.help
    assert list(tmp_path.iterdir()) == [source]
    report = convert(source, target, dtype="float16", allow_overflow=True, proof=proof, **HALF)
    assert "2 values became infinite" in str(report)
    convert(source, tmp_path / "c.safetensors", dtype="bfloat16", **HALF)


def test_small_numbers_that_become_zero_are_counted(tmp_path):
    source = save(tmp_path / "a.pth", SPEC, changed("fc.bias", 2, 1e-9))
    report = convert(source, tmp_path / "b.pdparams", dtype="float16", **HALF)
    (found,) = [a.finding for a in report.carried if a.finding.name == "fc.bias"]
    assert found.loss.flushed == 1 and found.loss.relative_error < 2**-10
    assert "1 value became zero" in str(report)


def test_running_statistics_in_half_precision(tmp_path):
    source = save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))
    for dtype in ("float16", "bfloat16"):
        with pytest.raises(RefusedError) as error:
            convert(source, tmp_path / "b.safetensors", dtype=dtype)
        assert str(error.value) == (
            f"--dtype {dtype} would round the running statistics of batch norms to half "
            "precision: 28 arrays, such as bn1.running_mean"
        )
        assert "--allow-half-statistics" in error.value.help
    half = save(tmp_path / "h.pth", SPEC, arrays_of(SPEC, dtype="float16"))
    convert(half, tmp_path / "c.safetensors")  # they were half already
    convert(half, tmp_path / "d.safetensors", dtype="float16")


@pytest.mark.parametrize("options", [{}, {"proof": False}, {"dry_run": True}])
def test_values_that_are_not_finite(tmp_path, options):
    arrays = changed("bn1.running_var", 1, np.nan)
    arrays["bn1.running_var"][[4, 6]] = [np.inf, np.nan]
    arrays["fc.weight"].reshape(-1)[70 - 20] = -np.inf
    source = save(tmp_path / "a.weights.h5", SPEC, arrays, ".weights.h5")
    with pytest.raises(RefusedError) as error:
        convert(source, tmp_path / "b.pth", **options)
    assert str(error.value).splitlines() == [
        "bn1.running_var has 2 NaN and 1 Inf (first at index 1)",
        "fc.weight has 1 Inf (first at index 50)",
    ]
    assert error.value.help == "--allow-nonfinite keeps them"
    assert list(tmp_path.iterdir()) == [source]
    report = convert(source, tmp_path / "b.pth", allow_nonfinite=True, **options)
    assert "fc.weight has 1 Inf (first at index 50)" in str(report)


def test_an_unknown_dtype(tmp_path):
    source = save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))
    with pytest.raises(UsageError, match="unknown dtype int8") as error:
        convert(source, tmp_path / "b.pth", dtype="int8")
    assert error.value.help == "known: keep, float32, float16, bfloat16, float64"


def test_the_values_of_a_long_array():
    """It is looked at in pieces, whose places in the whole count."""
    array = np.linspace(-2, 3, 200_000, dtype="f4")
    assert values_of(array, "F32") == Values(-2, 3)
    array[[70_001, 140_000, 150_000]] = np.nan, -np.inf, np.nan
    assert values_of(array, "F32") == Values(-2, 3, 2, 1, 70_001)
    assert values_of(np.full(3, np.nan), "F64") == Values(None, None, 3, 0, 0)
    assert values_of(np.empty(0), "F64") == Values()
    assert values_of(np.array(True), "BOOL") == Values(1, 1)
    assert values_of(rounded(np.array([1.5, -3]), "F64", "BF16"), "BF16") == Values(-3, 1.5)
