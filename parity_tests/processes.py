"""A process for each runtime, which writes its answers as a JSON object a line.

Each runtime has a process of its own, because one process has one Keras backend and the frameworks'
thread pools disturb each other.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import Any

from parity_tests.runtimes import RUNTIMES

_MISSING = "missing"


class WorkerError(RuntimeError):
    """A runtime's process did not finish: its framework is missing, or the run crashed."""


def answers(
    runtime: str, module: str, arguments: tuple[str, ...], environment: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """The objects that `python -m module runtime arguments ...` writes, as it writes them.

    Raises:
        WorkerError: it did not finish; with the process's own words, or what to install.
    """
    with (
        TemporaryFile("w+", errors="replace") as errors,
        subprocess.Popen(
            [sys.executable, "-m", module, runtime, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            errors="replace",
        ) as process,
    ):
        for line in process.stdout or ():
            if line.startswith("{"):  # frameworks write to standard output, too
                values = json.loads(line)
                if _MISSING in values:
                    raise _missing(runtime, values[_MISSING])
                yield values
        if process.wait():
            errors.seek(0)
            words = errors.read().strip()[-3000:]
            raise WorkerError(f"{runtime} stopped with exit code {process.returncode}:\n{words}")


def answer(values: Mapping[str, object]) -> None:
    """Writes one object, in the process of a runtime."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


@contextmanager
def telling_what_is_missing() -> Iterator[None]:
    """Around the import of a framework, in the process of its runtime."""
    try:
        yield
    except ModuleNotFoundError as error:
        answer({_MISSING: (error.name or str(error)).partition(".")[0]})
        raise


def _missing(runtime: str, module: str) -> WorkerError:
    install = RUNTIMES[runtime].install
    return WorkerError(f"the runtime {runtime} needs {module}, which is not installed: {install}")
