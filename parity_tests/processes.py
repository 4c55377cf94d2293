"""A process for each runtime, which says what it finds as a JSON object a line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from tempfile import TemporaryFile
from typing import Any


class WorkerError(RuntimeError):
    """A runtime's process did not finish: its framework is missing, or the run crashed."""


def answers(
    runtime: str, module: str, arguments: tuple[str, ...], environment: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """The objects that `python -m module runtime arguments ...` writes, as it writes them.

    Raises:
        WorkerError: it did not finish; with the process's own words.
    """
    with (
        TemporaryFile("w+") as errors,
        subprocess.Popen(
            [sys.executable, "-m", module, runtime, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        for line in process.stdout or ():
            if line.startswith("{"):  # frameworks write to standard output, too
                yield json.loads(line)
        if process.wait():
            errors.seek(0)
            words = errors.read()[-3000:]
            raise WorkerError(f"{runtime} stopped with exit code {process.returncode}:\n{words}")
