"""A checkpoint of the published code to every framework and back, and its numbers in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from odconv.demonstration.files import CHECKPOINT, SPEC, digits, lay_out
from odconv_spec import from_json
from parity_tests.outputs.runs import check_runtime, layer_outputs
from parity_tests.runtimes import RUNTIMES
from weights_converter.comparison.verify import Comparison, verify
from weights_converter.conversion.convert import convert
from weights_converter.errors import legible
from weights_converter.identify.request import Request

# Of float32 logits around 10: processors round differently in some hundred layers, by up to 1e-4
# on ours, while a wrong layer changes logits by whole numbers.
LARGEST: Final = 1e-3
# Each is made of the one before it; the last is a file of PyTorch again.
_CIRCLE: Final = ("digits.pdparams", "digits.weights.h5", "digits.safetensors", "digits.pth")
# The file that a framework loads with its own loader.
_NATIVE: Final = {"torch": "digits.pth", "paddle": "digits.pdparams", "keras": "digits.weights.h5"}


@dataclass(frozen=True)
class Run:
    """What a runtime made of the images.

    Attributes:
        runtime: such as "torch" or "keras-jax".
        accuracy: of the images, in percent.
        difference: largest one from the published code's logits.
    """

    runtime: str
    accuracy: float
    difference: float


@dataclass(frozen=True)
class Demonstration:
    """What `demo` did: the files that it wrote, and what the runtimes computed from them."""

    checkpoint: Path
    spec: Path
    converted: tuple[Path, ...]
    circle: Comparison
    images: int
    runs: tuple[Run, ...]

    @property
    def as_published(self) -> bool:
        """Whether all bits came round, and all runtimes have the published numbers."""
        return self.circle.equal and all(run.difference <= LARGEST for run in self.runs)

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "checkpoint": str(self.checkpoint),
            "spec": str(self.spec),
            "converted": [str(path) for path in self.converted],
            "equal": self.circle.equal,
            "images": self.images,
            "runs": [vars(run) for run in self.runs],
        }

    def __str__(self) -> str:
        stem = self.checkpoint.name.partition(".")[0]
        endings = (path.name.removeprefix(stem) for path in (self.checkpoint, *self.converted))
        count = self.circle.arrays
        equal = count - len(self.circle.differences)
        lines = [
            f"{legible(str(self.checkpoint.parent))}: {stem}{' -> '.join(endings)}",
            f"  {equal} of {count} arrays came back with equal bits",
        ]
        lines += self._of_runs() if self.runs else [f"  to run it: {RUNTIMES['torch'].install}"]
        checkpoint, spec = (legible(str(path)) for path in (self.checkpoint, self.spec))
        return "\n".join([*lines, f"next: odconv inspect {checkpoint} --model {spec}"])

    def _of_runs(self) -> list[str]:
        return [
            f"  {run.runtime:<16} {run.accuracy:.1f} % of {self.images} digits, "
            f"logits within {run.difference:.1e} of the published"
            for run in self.runs
        ]


def demo(
    folder: str | Path = "odconv_demo",
    *,
    runtimes: Sequence[str] | None = None,
    overwrite: bool = False,
) -> Demonstration:
    """Writes the checkpoint that comes with the package, and shows what this package does with it.

    It is converted to every framework and back to PyTorch, each file from the one before it; the
    last is compared with the first, and each runtime computes the logits of 64 images from the file
    that its framework loads natively.

    Args:
        folder: where the files go; it is made.
        runtimes: "torch", "paddle", "keras-tensorflow", "keras-jax", "keras-torch"; by default all
            that are installed.
        overwrite: replaces what an earlier call has converted.

    Returns:
        The files, and by how much the runtimes' logits differ from those of the published code.

    Raises:
        UsageError: a runtime is unknown or not installed.
        ConverterError: a file is there already or cannot be written, or a run failed.

    Example:
        >>> demo("demo", runtimes=["torch"]).as_published
        True
    """
    chosen = [name for name in RUNTIMES if RUNTIMES[name].installed]
    for name in chosen if runtimes is None else runtimes:
        check_runtime(name)
    home = Path(folder)
    lay_out(home)
    checkpoint, spec = home / CHECKPOINT, home / SPEC
    source = checkpoint
    for name in _CIRCLE:
        source = convert(Request(source, spec), home / name, overwrite=overwrite).destination
    return Demonstration(
        checkpoint,
        spec,
        tuple(home / name for name in _CIRCLE),
        verify(Request(checkpoint, spec), Request(source, spec)),
        len(digits().labels),
        tuple(_run(home, name) for name in (chosen if runtimes is None else runtimes)),
    )


def _run(home: Path, runtime: str) -> Run:
    """The logits of the digits, which are the last layer's output."""
    expected = digits()
    spec = from_json((home / SPEC).read_text(encoding="utf-8"))
    request = Request(home / _NATIVE[RUNTIMES[runtime].framework], spec)
    *_, logits = layer_outputs(request, runtime, expected.images).values()
    accuracy = 100 * float(np.mean(logits.argmax(1) == expected.labels))
    return Run(runtime, accuracy, float(np.abs(logits - expected.logits).max()))
