"""Damaged files by the thousand: every one is read, or refused by an error of ours."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.converter.crafted import written
from tests.formats import fuzz_seeds
from tests.processes import run_process
from tests.quick import quick
from weights_converter.errors import ConverterError, DamagedError
from weights_converter.formats import read

ROOT = Path(__file__).parents[2]
WHOLE = (  # of which no part is a file in its own right
    "torch_archive", "torch_module", "torch_legacy", "torch_legacy_newer_protocol", "paddle_2",
    "paddle_4", "pickled_arrays", "our_torch", "our_pdparams", "our_safetensors", "our_npz",
    "safetensors", "npz", "npz_compressed",
)  # fmt: skip


def read_all(path: Path) -> None:
    for tensor in read(path).tensors.values():
        assert tensor.load().shape == tensor.shape


# One of each container; what is in it is read from the same bytes.
CONTAINERS = (
    "torch_archive", "torch_legacy", "paddle_2", "our_pdparams", "our_safetensors", "our_npz",
    "npz_compressed",
)  # fmt: skip


@pytest.mark.parametrize("name", quick(CONTAINERS, WHOLE))
def test_truncated(tmp_path, name):
    (tmp_path / "seed").mkdir()
    whole = getattr(fuzz_seeds, name)(tmp_path / "seed")
    read_all(whole)
    content = whole.read_bytes()
    step = max(1, len(content) // 150)
    for end in [*range(min(200, len(content))), *range(200, len(content), step)]:
        with pytest.raises(ConverterError) as error:
            read_all(written(tmp_path, "cut", content[:end]))
        assert type(error.value) is DamagedError, (end, error.value)


def run(count: int, seed: int, keep: Path) -> dict[str, list[int]]:
    """How often each seed met each fate, once nothing has failed."""
    options = ["--count", str(count), "--seed", str(seed), "--keep", str(keep)]
    command = [sys.executable, "-m", "tests.formats.fuzz", *options]
    process = run_process(command)
    assert process.stdout.endswith("failures: 0\n")
    rows = re.findall(r"^(\w+)((?: +\d+)+)$", process.stdout, re.MULTILINE)
    return {name: [int(number) for number in numbers.split()] for name, numbers in rows}


def test_mutated(tmp_path):
    fates = run(800, 11, tmp_path)
    assert set(fates) == {seed.__name__ for seed in fuzz_seeds.SEEDS}
    assert sum(map(sum, fates.values())) == 800
    for numbers in fates.values():  # a seed that is never read, or always, would test nothing
        assert sum(number > 0 for number in numbers) > 1


@pytest.mark.slow
def test_many_mutants(tmp_path):
    """`python -m tests.formats.fuzz --count 100000` takes more."""
    assert sum(map(sum, run(20_000, 12, tmp_path).values())) == 20_000
