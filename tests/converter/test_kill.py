"""Kill -9 at any moment of a conversion: the destination is absent, as it was, or complete."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from odconv.main import main
from odconv_spec import model_spec
from tests.converter.helpers import arrays_of, save

SPEC = model_spec("od_resnet18", kernel_num=2, stages=[[32, 1], [64, 2], [96, 1]], num_classes=50)
KILLS = 50
# Imports first and says so: the moments are those of the conversion, not of the interpreter.
CONVERT = """
import sys
from odconv.main import main
print("ready", flush=True)
sys.stdin.readline()
raise SystemExit(main(sys.argv[1:]))
"""


def digests(folder):
    """Of every file but parts, by name."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if not path.name.endswith(".part")
    }


def interrupted(words, after):
    """Runs a conversion and kills it `after` seconds; whether it was still at work."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", CONVERT, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        process.stdin.write(b"\n")
        process.stdin.flush()
        time.sleep(after)
        process.kill()
        code = process.wait()
    assert code in (0, -signal.SIGKILL)
    return code != 0


def seconds(words):
    start = time.perf_counter()
    assert main(words) == 0
    return time.perf_counter() - start


@pytest.mark.slow
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("name", ["b.safetensors", "b.weights.h5", "b.pdparams"])
def test_one_file(tmp_path, name, old):
    source = save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))
    folder = tmp_path / "out"
    folder.mkdir()
    words = ["convert", str(source), str(folder / name), "--overwrite", "--quiet"]
    took = seconds(words)
    complete = digests(folder)
    for path in folder.iterdir():
        path.unlink()
    if old:
        (folder / name).write_bytes(b"old")
    before, random, killed = digests(folder), np.random.default_rng(0), 0
    # Six cases of this test share the fifty moments and more.
    for _ in range(-(-KILLS // 6) + 4):
        killed += interrupted(words, random.uniform(0, 1.1 * took))
        found = digests(folder)
        assert found.get(name) in (before.get(name), complete[name])
        assert found.keys() <= complete.keys()
        if found.get(name) == complete[name]:
            assert all(complete[other] == digest for other, digest in found.items())
            for path in folder.iterdir():
                path.unlink()
            if old:
                (folder / name).write_bytes(b"old")
    assert killed
    assert main(words) == 0 and digests(folder) == complete
    assert not list(folder.glob(".*.part"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["b.safetensors", "b.weights.h5"])
def test_several_files_are_completed_by_the_next_run(tmp_path, name):
    source = save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))
    folder = tmp_path / "out"
    folder.mkdir()
    words = ["convert", str(source), str(folder / name), "--max-shard-size", "700KB"]
    words += ["--overwrite", "--quiet"]
    took = seconds(words)
    complete = digests(folder)
    index = next(name for name in complete if name.endswith(".json"))
    assert len(complete) > 3
    for path in folder.iterdir():
        path.unlink()
    random = np.random.default_rng(1)
    for _ in range(8):
        interrupted(words, random.uniform(0, 1.1 * took))
        found = digests(folder)
        assert all(complete[other] == digest for other, digest in found.items())
        if index in found:
            assert found == complete
    assert main(words) == 0 and digests(folder) == complete
    assert not list(folder.glob(".*.part"))
