"""`python -m benchmarks [RUNTIME ...]`: forward times, each runtime in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from parity_tests.runtimes import RUNTIMES

DEFAULT = ("torch", "paddle", "keras-tensorflow", "keras-jax")


def main(runtimes: Sequence[str]) -> int:
    sys.stdout.write(
        "| runtime | layer | static, ms | ODConv, ms | times static |\n|---|---|---|---|---|\n"
    )
    sys.stdout.flush()
    codes = [
        subprocess.run(
            [sys.executable, "-m", "benchmarks.worker", runtime],
            env=os.environ | RUNTIMES[runtime] | {"XLA_FLAGS": ""},  # no slow code in a benchmark
            check=False,
        ).returncode
        for runtime in runtimes or DEFAULT
    ]
    return 1 if any(codes) else 0  # a process that a signal ended has a negative code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
