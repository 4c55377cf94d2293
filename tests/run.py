"""Runs the test suites, each in a process of its own, and says at the end what they did.

    python -m tests.run [--slow [--part N] | --smoke] [--jobs N] [SUITE ...] [-- pytest options]

`--slow` runs the tests marked slow, of the suites that have any; `--part` a tenth of them, which a
run's number or `commit` chooses; `--smoke` a few files of each suite, which is what must hold with
the lowest versions of the frameworks. One process has one Keras backend, and the frameworks' thread
pools disturb each other, so each suite has a process of its own. Three run at a time, each on one
core, so that two are busy while a suite waits for the disk; `--jobs N` changes that.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from parity_tests.runtimes import RUNTIMES
from tests.parts import drawn

ROOT = Path(__file__).parent.parent
# Of each folder of tests: building, computing, replacing, storing and converting.
SMOKE = {
    "torch": ("from_static", "layers", "loading", "models", "pointwise", "replace"),
    "paddle": ("from_static", "layers", "loading", "models", "replace", "saving"),
    "keras": ("from_static", "golden", "loading", "norm", "replace", "saving"),
    "frameworks": ("attentions", "from_static", "layers", "loading", "models", "replace"),
    "converter": ("cli", "conversion", "dtype", "precision", "round_trip"),
    "formats": ("formats_keras", "formats_npz", "formats_paddle"),
    "together": ("native_loading",),
    "reference": ("reference_golden",),
}
SHARED = "tests/frameworks"  # what each framework runs behind its own folder
LONGEST = (  # in this order; the rest is shorter
    *("converter", "together", "parity-keras-jax", "keras-torch", "paddle", "torch"),
    *("keras-tensorflow", "formats", "export", "parity-keras-tensorflow", "spec", "reference"),
)
ONE_CORE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Suite:
    """Arguments of pytest, and the environment that its process needs."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def folders(self) -> tuple[str, ...]:
        return tuple(argument for argument in self.arguments if (ROOT / argument).is_dir())

    @property
    def has_slow(self) -> bool:
        files = (file for folder in self.folders for file in (ROOT / folder).glob("*.py"))
        return any("pytest.mark.slow" in file.read_text(encoding="utf-8") for file in files)

    @property
    def smoke(self) -> Suite | None:
        """The files of the suite that are run with the lowest versions, if it has any."""
        chosen = [
            f"{folder}/test_{name}.py"
            for folder in self.folders
            for name in SMOKE.get(Path(folder).name, ())
        ]
        return replace(self, arguments=tuple(chosen)) if chosen else None


@dataclass(frozen=True)
class Result:
    suite: str
    code: int
    seconds: float
    output: str


def suites() -> Iterable[Suite]:
    """The longest come first, so that no core waits at the end."""
    last = len(LONGEST)
    places = {name: place for place, name in enumerate(LONGEST)}
    return sorted(_all_suites(), key=lambda suite: places.get(suite.name, last))


def _all_suites() -> Iterable[Suite]:
    for runtime in RUNTIMES:
        chosen = runtime if "-" in runtime else f"{runtime} and not keras"
        asked = {"PARITY_RUNTIME": runtime}
        arguments = ("tests/parity", "-k", chosen)
        if runtime != "torch":  # whose forms these are; to collect them imports it
            arguments += ("--ignore", "tests/parity/test_strategies.py")
        yield Suite(f"parity-{runtime}", arguments, asked)
        if runtime.startswith("keras"):
            yield Suite(runtime, ("tests/keras", SHARED), RUNTIMES[runtime].suite)
    yield Suite("paddle", ("tests/paddle", SHARED), RUNTIMES["paddle"].suite)
    yield Suite("torch", ("tests/torch", SHARED))
    for name in ("converter", "together", "formats", "training", "export", "reference", "spec"):
        yield Suite(name, (f"tests/{name}",))


def main(arguments: Sequence[str]) -> int:
    known = {suite.name: suite for suite in suites()}
    middle = arguments.index("--") if "--" in arguments else len(arguments)
    own, passed_on = arguments[:middle], arguments[middle + 1 :]
    parser = ArgumentParser(prog="python -m tests.run", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=", ".join(known))
    parser.add_argument("--jobs", type=int, default=3)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--slow", action="store_true", help="run the tests marked slow only")
    which.add_argument("--smoke", action="store_true", help="run a few files of each suite only")
    parser.add_argument("--part", metavar="N", type=drawn, help="a tenth of the slow")
    options = parser.parse_args(own)
    unknown = [name for name in options.suites if name not in known]
    if unknown:
        parser.error(f"expected suites among {', '.join(known)}; received {', '.join(unknown)}")
    chosen = [known[name] for name in options.suites] or list(known.values())
    if options.smoke:
        chosen = [smoke for suite in chosen if (smoke := suite.smoke)]
    if options.slow:
        chosen = [suite for suite in chosen if suite.has_slow]
        passed_on = [*passed_on, "-m", "slow"]
    if options.part is not None and not options.slow:
        parser.error("expected --slow beside --part; received --part alone")
    if options.part is not None:
        passed_on = [*passed_on, "-p", "tests.parts", "--part", str(options.part.number)]
        _say(str(options.part))
    with ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda suite: _run(suite, passed_on), chosen))
    for result in results:
        verdict = "ok" if result.code == 0 else "FAILED"
        _say(f"{result.suite:<25} {verdict:<7} {result.seconds:6.0f} s")
    failed = sum(result.code != 0 for result in results)
    _say(f"suites: {len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


def _run(suite: Suite, options: Sequence[str]) -> Result:
    start = time.monotonic()
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *suite.arguments, *options],
        cwd=ROOT,
        env=os.environ | ONE_CORE | dict(suite.environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    result = Result(suite.name, run.returncode, time.monotonic() - start, run.stdout)
    shown = result.output if result.code else result.output.strip().rpartition("\n")[2]
    _say(f"== {result.suite}\n{shown}")  # once it is complete: two suites run side by side
    return result


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
