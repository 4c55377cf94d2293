"""Other processes of tests: what one printed is shown where it fails."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

ROOT = Path(__file__).parent.parent


def run_process(
    command: Sequence[str], *, check: bool = True, cwd: Path = ROOT, **options: Any
) -> CompletedProcess[str]:
    """A command, with what it prints; by default one that ends well.

    Args:
        command: the program and its arguments.
        check: whether it has to end with 0; `subprocess.run` would say that it did not, not why.
        cwd: its folder.
        **options: others of `subprocess.run`.

    Returns:
        Its exit code and text.
    """
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False, **options)
    shown = f"{list(command)} ended with {done.returncode}\n{done.stdout}{done.stderr}"
    assert not check or done.returncode == 0, shown
    return done
