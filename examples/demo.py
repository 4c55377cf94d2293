"""The main job: one checkpoint of the official format, in five runtimes, with the same numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from digits import GOLDEN, test_digits
from picture import draw

from parity_tests.runtimes import RUNTIMES

FOLDER = Path(os.path.relpath(Path(__file__).parent))
OUTPUT = Path("demo_output")
SOURCE = FOLDER / "odconv4x_mobilenetv2_digits.pth.tar"
MODEL = ("--model", str(FOLDER / "digits.json"))
NATIVE = {"torch": "digits.pth", "paddle": "digits.pdparams", "keras": "digits.weights.h5"}
LARGEST = 1e-4  # of float32 logits around 10: rounding in some hundred layers


def main() -> int:
    OUTPUT.mkdir(exist_ok=True)
    step("What is in the checkpoint")
    odconv("inspect", SOURCE, *MODEL)
    step("To every framework, and around the circle back to PyTorch")
    previous = SOURCE
    for name in ("digits.pdparams", "digits.weights.h5", "digits.safetensors", "digits.pth"):
        odconv("convert", previous, OUTPUT / name, *MODEL, "--overwrite")
        previous = OUTPUT / name
    step("Is every bit still the same?")
    odconv("verify", SOURCE, previous, *MODEL)
    step("360 test digits in five runtimes, each from its own framework's file")
    results = {runtime: evaluate(runtime) for runtime in RUNTIMES}
    ok = report(results)
    picture = OUTPUT / "digits.png"
    draw(results, picture)
    step("Your own checkpoint")
    say(f"picture: {picture}")
    say("odconv inspect your.pth.tar")
    say("odconv convert your.pth.tar your.pdparams      # or .weights.h5, .safetensors, .pth")
    say("odconv verify  your.pth.tar your.pdparams")
    return 0 if ok else 1


def report(results: dict[str, dict[str, np.ndarray]]) -> bool:
    """Prints the table; whether accuracy and logits are those of the published code."""
    _, labels = test_digits()
    golden = np.load(GOLDEN)
    say(f"{'runtime':<18}{'accuracy':>9}  {'largest logit difference':>25}  {'time':>7}")
    ok = True
    for runtime, found in results.items():
        accuracy = 100 * np.mean(found["logits"].argmax(1) == labels)
        difference = np.abs(found["logits"][: len(golden["logits"])] - golden["logits"]).max()
        say(f"{runtime:<18}{accuracy:>7.1f} %  {difference:>25.1e}  {found['seconds']:>5.2f} s")
        ok &= abs(accuracy - golden["test_accuracy"]) < 0.01 and difference <= LARGEST
    say(f"{'published code':<18}{golden['test_accuracy']:>7.1f} %")
    say("the same in all five" if ok else "DIFFERENT")
    return ok


def evaluate(runtime: str) -> dict[str, np.ndarray]:
    """The runtime's results, from a process of its own: a process has one Keras backend."""
    result = OUTPUT / f"{runtime}.npz"
    weights = OUTPUT / NATIVE[runtime.partition("-")[0]]
    command = [sys.executable, FOLDER / "evaluate.py", runtime, weights, result]
    say(f"... {runtime}")
    run = subprocess.run(
        command,
        env=os.environ | RUNTIMES[runtime].suite,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise SystemExit(f"{runtime} failed:\n{run.stderr}")
    with np.load(result) as found:
        return dict(found)


def odconv(*arguments: object) -> None:
    """The command line, as a user would call it."""
    words = [str(argument) for argument in arguments]
    say("$ odconv " + " ".join(words))
    subprocess.run([sys.executable, "-m", "odconv", *words], check=True)


def step(title: str) -> None:
    say(f"\n== {title}")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
