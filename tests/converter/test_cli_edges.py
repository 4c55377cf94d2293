"""Where the system says no, each time in a process: one sentence, the right code, no traceback."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from odconv_spec import model_spec
from tests.converter.helpers import SMALL_RESNET, arrays_of, save
from tests.quick import quick

SPEC = model_spec("od_resnet18", **SMALL_RESNET)
ROOT = Path(__file__).parents[2]
ODCONV = f"{sys.executable} -m odconv"
# Interrupts the process, or has no memory, where the module is imported.
STRIKE = """
import signal, sys

class Strike:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            sys.meta_path.remove(self)
            {deed}

signal.signal(signal.SIGINT, signal.default_int_handler)  # which jobs in the background ignore
sys.meta_path.insert(0, Strike())
from odconv.main import main
sys.exit(main(sys.argv[2:]))
"""
DEEDS = {
    "interrupt": ("signal.raise_signal(signal.SIGINT)", 130, "interrupted\n"),
    "memory": ("raise MemoryError", 5, "error: there is not enough memory\n"),
    "library": (
        "raise ImportError('x.so: failed to map segment from shared object')",
        5,
        "error: there is not enough memory\n",
    ),
    "missing": (
        "raise ModuleNotFoundError('No module named x\\x1b[31m')",
        70,
        "error: odconv cannot start: 'No module named x\\x1b[31m'\n",
    ),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return save(tmp_path_factory.mktemp("source") / "a.pth", SPEC, arrays_of(SPEC))


def shell(line, **options):
    """Runs a line of the shell; exit code, standard output and standard error."""
    done = subprocess.run(
        ["/bin/bash", "-c", line], cwd=ROOT, capture_output=True, text=True, check=False, **options
    )
    return done.returncode, done.stdout, done.stderr


MODULES = ["numpy", "odconv.run", "weights_converter.conversion.report"]


@pytest.mark.parametrize("module", quick(["numpy"], MODULES))
@pytest.mark.parametrize("deed", DEEDS)
def test_while_modules_are_imported(module, deed):
    strike, code, said = DEEDS[deed]
    script = STRIKE.replace("{deed}", strike)
    done = subprocess.run(
        [sys.executable, "-c", script, module, "convert", "a.pth", "b.pth"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, "", said)


LONG = ["--help", "inspect {source} --json"]


@pytest.mark.parametrize("words", quick(LONG, ["models", "--help", "--version", *LONG[1:]]))
def test_standard_output_is_closed(source, words):
    line = f"{ODCONV} {words.format(source=source)} >&-"
    assert shell(line) == (5, "", "error: cannot print: standard output is closed\n")


@pytest.mark.parametrize("words", quick(LONG, ["models", "--help", *LONG[1:]]))
def test_the_disk_behind_standard_output_is_full(source, words):
    line = f"{ODCONV} {words.format(source=source)} >/dev/full"
    assert shell(line) == (5, "", "error: cannot print: No space left on device\n")


@pytest.mark.parametrize("words", quick(LONG, ["models", "--help", "--version", *LONG[1:]]))
def test_nobody_reads(source, words):
    # The reader has gone before anything is written: the shell waits for it.
    line = f"set -o pipefail; (sleep 0.5; {ODCONV} {words.format(source=source)}) | true"
    assert shell(line) == (141, "", "")


def test_standard_error_is_closed(source, tmp_path):
    assert shell(f"{ODCONV} inspect {tmp_path}/absent.pth 2>&-") == (5, "", "")
    assert shell(f"{ODCONV} inspect 2>&-") == (2, "", "")
    code, out, _ = shell(f"{ODCONV} convert {source} {tmp_path}/b.npz 2>&-")
    assert code == 0 and "a.pth -> b.npz" in out


def test_nobody_reads_standard_error(tmp_path):
    line = f"set -o pipefail; (sleep 0.5; {ODCONV} inspect {tmp_path}/absent.pth) 2>&1 >&- | true"
    assert shell(line) == (5, "", "")


@pytest.mark.parametrize(
    "ending", quick(["weights.h5", "pth"], ["npz", "weights.h5", "safetensors", "pdparams", "pth"])
)
def test_everything_is_closed(source, tmp_path, ending):
    """No file takes the number of a closed stream, which a library may write to."""
    closed = f"{ODCONV} convert {source} {tmp_path}/x.{ending} --quiet >&- 2>&- <&-"
    assert shell(closed) == (0, "", "")
    assert shell(f"{ODCONV} verify {source} {tmp_path}/x.{ending} --quiet")[0] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="limits on address space are Linux's")
@pytest.mark.parametrize("megabytes", quick([90, 140], [60, 90, 120, 140, 160]))
def test_little_memory(source, tmp_path, megabytes):
    """Wherever a limit on address space strikes: imports, threads, arrays, child processes."""
    line = f"ulimit -v {megabytes * 1000}; {ODCONV} convert {source} {tmp_path}/b.weights.h5"
    code, _, err = shell(line)
    assert code in (0, 5), err
    assert len(err.splitlines()) == (1 if code else 0), err
    assert list(tmp_path.iterdir()) == ([] if code else [tmp_path / "b.weights.h5"])


def test_no_more_threads(source, tmp_path):
    script = """
import sys, threading
def start(self):
    raise RuntimeError("can't start new thread")
threading.Thread.start = start
from odconv.main import main
sys.exit(main(sys.argv[1:]))
"""
    words = ["convert", str(source), str(tmp_path / "b.npz")]
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 5
    assert done.stderr == "error: the system allows no more threads, or no memory for one\n"
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_while_it_works(source):
    script = """
import signal, sys
from odconv.main import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # which jobs in the background ignore
signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
signal.setitimer(signal.ITIMER_REAL, 0.02, 5)  # again: Python drops one that meets a destructor
while True:
    code = main(["inspect", sys.argv[1], "--stats"])
    if code:
        sys.exit(code)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, source],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_an_interrupt_in_c_code_of_an_import(source):
    """Which makes another error of it, wherever it strikes: NumPy's import takes 0.1 s here."""
    script = STRIKE.replace("{deed}", "signal.setitimer(signal.ITIMER_REAL, 0.03)").replace(
        "sys.meta_path.insert",
        "signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))\n"
        "sys.meta_path.insert",
    )
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", script, "numpy", "inspect", source, "--stats"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, 130), done.stderr  # done before it, or interrupted
        assert "cannot start" not in done.stderr


@pytest.mark.parametrize("command", ["inspect", "convert"])
def test_json_of_numbers_that_json_does_not_have(tmp_path, command):
    torch_like = {
        "state_dict": {name: (name, array) for name, array in arrays_of(SPEC).items()},
        "best_loss": float("inf"),
        "worst": float("-inf"),
        "loss": float("nan"),
        "steps": 10**600,
        "seed": -(2**70),
        "epoch": 3,
    }
    path = tmp_path / "a.pdparams"
    path.write_bytes(pickle.dumps(torch_like, protocol=4))
    words = f"inspect {path}" if command == "inspect" else f"convert {path} {tmp_path}/b.npz"
    code, out, err = shell(f"{ODCONV} {words} --json")
    assert (code, err) == (0, "")
    told = json.loads(out, parse_constant=pytest.fail)
    if command == "inspect":
        bits = (10**600).bit_length()
        assert told["scalars"] == {
            "best_loss": "inf",
            "worst": "-inf",
            "loss": "nan",
            "steps": f"a whole number of {bits} bits",
            "seed": "a whole number of 71 bits",
            "epoch": 3,
        }
        assert "  loss  nan\n" in shell(f"{ODCONV} inspect {path}")[1]
