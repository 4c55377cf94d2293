"""Conversions between all formats, bit for bit, and everything that must stop one."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from odconv_spec import model_spec, to_json
from tests.converter.helpers import ENDINGS, SMALL_MOBILENET, SMALL_RESNET, arrays_of, save
from weights_converter import (
    DamagedError,
    FileError,
    MismatchError,
    UsageError,
    convert,
    formats,
    verify,
)
from weights_converter.arrays.tensor import Tensor
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request
from weights_converter.names.layouts import Layout

SPEC = model_spec("od_resnet18", kernel_num=2, **SMALL_RESNET)
EXAMPLE = Path(__file__).parents[2] / "examples" / "odconv4x_mobilenetv2_digits.pth.tar"
STAGES = [[1, 32, 1, 1], [4, 48, 1, 2], [4, 64, 1, 2]]


def special(spec, dtype="float32"):
    """Random arrays with NaNs of several payloads, infinities, negative zeros and subnormals."""
    arrays = arrays_of(spec, dtype=dtype)
    for array in arrays.values():
        bits = array.reshape(-1).view(f"u{array.itemsize}")
        if len(bits) >= 8:
            ones = np.array(-1, np.int64).astype(bits.dtype)
            half = ones >> ones.dtype.type(1)
            bits[:4] = [ones, half, 1, ~half]  # NaN, NaN, subnormal, -0.0
            array.reshape(-1)[4:6] = [np.inf, -np.inf]
    return arrays


@pytest.mark.parametrize(("first", "second"), list(combinations(ENDINGS, 2)))
def test_every_pair_of_formats_keeps_every_bit(tmp_path, first, second):
    arrays = special(SPEC)
    source = save(tmp_path / f"a{first}", SPEC, arrays, first)
    there, back = tmp_path / f"b{second}", tmp_path / f"c{first}"
    assert convert(source, there, allow_nonfinite=True).proof.equal
    assert convert(there, back, allow_nonfinite=True).proof.equal
    assert verify(source, back).equal
    found = open_model(back).tensors
    assert list(found) == [p.name for p in SPEC.parameters()]
    for name, array in arrays.items():
        assert found[name].load().tobytes() == array.tobytes()


@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_dtypes_are_kept(tmp_path, dtype):
    source = save(tmp_path / "a.pth", SPEC, special(SPEC, dtype))
    for ending in ENDINGS[1:]:
        convert(source, tmp_path / f"b{ending}", allow_nonfinite=True)
        assert verify(source, tmp_path / f"b{ending}").equal


def test_the_same_input_gives_the_same_bytes(tmp_path):
    source = save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))
    for ending in ENDINGS:
        for name in ("x", "y"):
            convert(source, tmp_path / f"{name}{ending}")
        first, second = ((tmp_path / f"{name}{ending}").read_bytes() for name in "xy")
        assert first == second


def test_the_shipped_checkpoint_goes_around_the_circle(tmp_path):
    previous = EXAMPLE
    for ending in (".pdparams", ".weights.h5", ".safetensors", ".pth"):
        convert(Request(previous, stages=STAGES), tmp_path / f"x{ending}")
        previous = tmp_path / f"x{ending}"
    comparison = verify(Request(EXAMPLE, stages=STAGES), previous)
    assert comparison.equal
    assert comparison.arrays == 151


def test_spec_and_temperature_travel_where_the_format_has_a_place(tmp_path):
    spec = model_spec("od_mobilenetv2_100", **SMALL_MOBILENET)
    source = save(tmp_path / "a.pth", spec, arrays_of(spec))
    for ending in (".safetensors", ".weights.h5"):
        convert(Request(source, spec), tmp_path / f"b{ending}")
        checkpoint = formats.read(tmp_path / f"b{ending}")
        assert checkpoint.metadata["odconv.spec"] == to_json(spec)
        assert checkpoint.metadata["odconv.temperature"] == "1.0"
        assert open_model(tmp_path / f"b{ending}").spec == spec  # although it stores no strides


def test_a_temperature_of_keras_reaches_the_metadata_and_comes_back(tmp_path):
    source = save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))
    convert(source, tmp_path / "b.weights.h5")
    import h5py

    with h5py.File(tmp_path / "b.weights.h5", "r+") as file:
        file.attrs["odconv.temperature"] = "7.5"
        for path in [f"layer{s}/{b}/conv{c}" for s, b in ((1, 0), (2, 0), (2, 1)) for c in (1, 2)]:
            file[f"{path}/attention/vars/0"][...] = 7.5
    assert convert(tmp_path / "b.weights.h5", tmp_path / "c.safetensors").temperature == 7.5
    convert(tmp_path / "c.safetensors", tmp_path / "d.weights.h5")
    with h5py.File(tmp_path / "d.weights.h5") as file:
        assert file["layer2/1/conv2/attention/vars/0"][()] == 7.5


def test_differences_are_reported_together(tmp_path):
    arrays = arrays_of(SPEC)
    del arrays["layer1.0.conv1.attention.kernel_fc.weight"]
    arrays["fc.weight"] = arrays["fc.weight"].T
    arrays["bn1.bias"] = arrays["bn1.bias"][:3]
    layout = [(name, array) for name, array in arrays.items()]
    tensors = [Tensor.of(name, np.ascontiguousarray(array)) for name, array in layout]
    stranger = np.zeros((4, 16, 1, 1), np.float32)
    tensors.append(Tensor.of("layer1.0.conv1.attention.kernal_fc.weight", stranger))
    formats.write(tmp_path / "a.pth", "torch", tensors, {})
    with pytest.raises(MismatchError) as error:
        convert(Request(tmp_path / "a.pth", SPEC), tmp_path / "b.pdparams")
    assert str(error.value).splitlines() == [
        "the arrays do not fit: 1 missing, 1 unexpected, 2 of wrong shape in a.pth for "
        "od_resnet_custom (kernel_num=2, 5 classes)",
        "  missing     layer1.0.conv1.attention.kernel_fc.weight  expected (2, 16, 1, 1)",
        "  unexpected  layer1.0.conv1.attention.kernal_fc.weight  (4, 16, 1, 1) F32   "
        "did you mean 'layer1.0.conv1.attention.kernel_fc.weight'?",
        "  shape       bn1.bias  expected (8,), found (3,)",
        "  shape       fc.weight  expected (5, 12), found (12, 5)   "
        "looks transposed; was this file converted before?",
    ]
    assert not (tmp_path / "b.pdparams").exists()


def test_nothing_is_overwritten_unless_asked(tmp_path):
    source = save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))
    target = tmp_path / "b.pdparams"
    target.write_text("precious")
    with pytest.raises(FileError, match="exists"):
        convert(source, target)
    assert target.read_text() == "precious"
    convert(source, target, overwrite=True)
    assert verify(source, target).equal


def test_a_result_that_is_not_proven_never_takes_its_place(tmp_path, monkeypatch):
    """As if a layout were wrong: a square kernel arrives transposed."""
    source = save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))
    target = tmp_path / "b.pdparams"
    target.write_text("precious")
    right = Layout.to_stored

    def wrong(layout, role, array):
        stored = right(layout, role, array)
        return stored.swapaxes(3, 4) if stored.shape == (2, 8, 8, 3, 3) else stored

    monkeypatch.setattr(Layout, "to_stored", wrong)
    with pytest.raises(MismatchError, match=r"layer1.0.conv2.weight  \d+ of 1152 values differ"):
        convert(source, target, overwrite=True)
    assert target.read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pth", "b.pdparams"]


def test_progress_counts_the_arrays_as_they_are_read(tmp_path):
    class Bar:
        total = seen = 0

        def reset(self, total=None):
            self.total = total

        def update(self):
            self.seen += 1

    source = save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))
    for options, passes in (
        ({}, 2),  # written, read back
        ({"proof": False}, 1),
        ({"max_shard_bytes": 20_000}, 2),
    ):
        bar = Bar()
        target = tmp_path / "b.safetensors"
        report = convert(source, target, progress=bar, overwrite=True, **options)
        assert bar.seen == bar.total == passes * report.arrays
    bar = Bar()
    report = convert(source, tmp_path / "c.pdparams", progress=bar, dry_run=True)
    assert bar.seen == bar.total == report.arrays


def test_the_source_is_not_its_own_destination(tmp_path):
    source = save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))
    before = source.read_bytes()
    (tmp_path / "link.pth").symlink_to(source)
    for target in (source, tmp_path / "link.pth"):
        with pytest.raises(UsageError, match="is the source itself"):
            convert(source, target, overwrite=True)
    assert source.read_bytes() == before


def test_an_unknown_ending(tmp_path):
    source = save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))
    with pytest.raises(UsageError, match=r"expected .*, received b\.onnx$"):
        convert(source, tmp_path / "b.onnx")


def test_another_model_than_asked_for_leaves_no_file(tmp_path):
    source = save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))
    with pytest.raises(MismatchError, match="you asked for od_resnet18, kernel_num=1"):
        convert(Request(source, model_spec("od_resnet18")), tmp_path / "b.pdparams")
    assert not (tmp_path / "b.pdparams").exists()


@pytest.mark.parametrize(
    "swap", [("bn1.running_mean", "bn1.running_var"), ("bn1.weight", "bn1.bias")]
)
def test_verify_notices_two_arrays_in_each_others_place(tmp_path, swap):
    arrays = arrays_of(SPEC)
    first = save(tmp_path / "a.pth", SPEC, arrays)
    arrays[swap[0]], arrays[swap[1]] = arrays[swap[1]], arrays[swap[0]]
    comparison = verify(first, save(tmp_path / "b.weights.h5", SPEC, arrays, ".weights.h5"))
    assert [difference.name for difference in comparison.differences] == sorted(
        swap, key=[p.name for p in SPEC.parameters()].index
    )


def test_verify_notices_one_bit_and_a_transposed_square_kernel(tmp_path):
    arrays = arrays_of(SPEC)
    first = save(tmp_path / "a.pth", SPEC, arrays)
    name = "layer1.0.conv2.weight"  # (2, 8, 8, 3, 3)
    kernel = arrays[name]
    for wrong in (kernel.transpose(0, 2, 1, 3, 4), kernel.transpose(0, 1, 2, 4, 3)):
        second = save(tmp_path / "b.pth", SPEC, arrays | {name: np.ascontiguousarray(wrong)})
        assert [d.name for d in verify(first, second).differences] == [name]
        second.unlink()
    flipped = arrays["fc.bias"].copy()
    flipped.view(np.uint32)[3] ^= 1
    second = save(tmp_path / "b.pth", SPEC, arrays | {"fc.bias": flipped})
    assert "fc.bias  1 of 5 values differ" in str(verify(first, second))


@pytest.mark.parametrize("text", ["abc", "nan", "0", "-1"])
def test_metadata_with_an_impossible_temperature(tmp_path, text):
    metadata = {"odconv.temperature": text}
    source = save(tmp_path / "a.safetensors", SPEC, arrays_of(SPEC), ".safetensors", metadata)
    with pytest.raises(DamagedError, match="expected a positive temperature, found"):
        convert(source, tmp_path / "b.weights.h5")


@pytest.mark.parametrize("text", ["[]", "[" * 9999, '{"family": []}', '{"stages": [[64, 1e9]]}'])
def test_metadata_with_an_impossible_spec(tmp_path, text):
    metadata = {"odconv.spec": text}
    source = save(tmp_path / "a.safetensors", SPEC, arrays_of(SPEC), ".safetensors", metadata)
    with pytest.raises(DamagedError, match="names a model that this version does not know"):
        convert(source, tmp_path / "b.weights.h5")


def test_companions_of_a_wrong_shape(tmp_path):
    arrays = arrays_of(SPEC) | {"bn1.num_batches_tracked": np.zeros(3, np.int64)}
    tensors = [Tensor.of(name, array) for name, array in arrays.items()]
    formats.write(tmp_path / "a.pth", "torch", tensors, {})
    with pytest.raises(MismatchError, match=r"shape       bn1.num_batches_tracked  expected \(\)"):
        convert(tmp_path / "a.pth", tmp_path / "b.pdparams")


def test_contradicting_options(tmp_path):
    source = save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))
    for model, stages, error in (
        (SPEC, [[1, 16, 1, 1]], UsageError),
        (None, [[1, 16, 1]], UsageError),
        (None, [[1, 16, 1, 1]], MismatchError),
    ):
        with pytest.raises(error):
            convert(Request(source, model, stages), tmp_path / "b.pdparams")
    with pytest.raises(MismatchError, match="the file holds od_mobilenetv2_custom"):
        convert(Request(EXAMPLE, "resnet18", STAGES), tmp_path / "b.pdparams")


def test_a_name_that_no_file_can_have(tmp_path):
    source = save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))
    with pytest.raises(FileError):
        convert(source, tmp_path / f"{'x' * 300}.pdparams")
