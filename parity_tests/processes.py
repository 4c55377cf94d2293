"""A process for each runtime, which says what it finds as a JSON object a line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import Any

from parity_tests.runtimes import PIP

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
                values = json.loads(line)
                if _MISSING in values:
                    raise _missing(runtime, values[_MISSING])
                yield values
        if process.wait():
            errors.seek(0)
            words = errors.read()[-3000:]
            raise WorkerError(f"{runtime} stopped with exit code {process.returncode}:\n{words}")


@contextmanager
def telling_what_is_missing() -> Iterator[None]:
    """Around the import of a framework, in the process of its runtime."""
    try:
        yield
    except ModuleNotFoundError as error:
        sys.stdout.write(json.dumps({_MISSING: (error.name or str(error)).partition(".")[0]}))
        sys.stdout.write("\n")
        raise


def _missing(runtime: str, module: str) -> WorkerError:
    return WorkerError(
        f"the runtime {runtime} needs {module}, which is not installed: pip install {PIP[runtime]}"
    )
