"""One runtime's logits for the test digits: `python evaluate.py RUNTIME WEIGHTS RESULT.npz`."""

from __future__ import annotations

import sys
import time
from importlib import import_module
from pathlib import Path

import numpy as np
from digits import test_digits

from odconv_spec import from_json

SPEC = Path(__file__).parent / "digits.json"
SHOWN = 3  # digits whose attentions the picture shows


def main(runtime: str, weights: str, result: str) -> None:
    framework = import_module(f"runtimes.{runtime.partition('-')[0]}")
    images, _ = test_digits()
    spec = from_json(SPEC.read_text(encoding="utf-8"))
    model = framework.load(Path(weights), spec)
    framework.predict(model, images[:2])  # what a framework does only once is not timed
    start = time.perf_counter()
    found = {"logits": framework.predict(model, images)}
    found["seconds"] = np.asarray(time.perf_counter() - start)
    if hasattr(framework, "attentions"):
        found |= framework.attentions(model, images[:SHOWN])
    np.savez(result, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
