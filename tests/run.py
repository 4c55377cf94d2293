"""Runs the test suites, each in a process of its own, and says at the end what they did.

    python -m tests.run [SUITE ...] [pytest options]

One process has one Keras backend, and the frameworks' thread pools disturb each other.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from parity_tests.runtimes import RUNTIMES

_NONE: Mapping[str, str] = MappingProxyType({})
ROOT = Path(__file__).parent.parent

# suite -> (folder, environment)
SUITES: Mapping[str, tuple[str, Mapping[str, str]]] = MappingProxyType(
    {
        "spec": ("tests/spec", _NONE),
        "reference": ("tests/reference", _NONE),
        "converter": ("tests/converter", _NONE),
        "formats": ("tests/formats", _NONE),
        "torch": ("tests/torch", _NONE),
        "paddle": ("tests/paddle", RUNTIMES["paddle"]),
        **{name: ("tests/keras", RUNTIMES[name]) for name in RUNTIMES if "keras" in name},
        "together": ("tests/together", {"TF_CPP_MIN_LOG_LEVEL": "3", "GLOG_minloglevel": "2"}),
    }
)


def main(arguments: Sequence[str]) -> int:
    names = [argument for argument in arguments if argument in SUITES]
    options = [argument for argument in arguments if argument not in SUITES]
    results = {name: _run(name, options) for name in names or SUITES}
    for name, (code, seconds) in results.items():
        sys.stdout.write(f"{name:<17} {'ok' if code == 0 else 'FAILED':<7} {seconds:6.0f} s\n")
    failed = sum(code != 0 for code, _ in results.values())
    sys.stdout.write(f"suites: {len(results) - failed} passed, {failed} failed\n")
    return 1 if failed else 0


def _run(name: str, options: Sequence[str]) -> tuple[int, float]:
    folder, environment = SUITES[name]
    sys.stdout.write(f"== {name}\n")
    sys.stdout.flush()
    start = time.monotonic()
    command = [sys.executable, "-m", "pytest", folder, *options]
    code = subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=False).returncode
    return code, time.monotonic() - start


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
