"""What a network can be exported to, a row each."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final

from weights_converter.errors import UsageError, legible

PORTABLE: Final = "portable"
FORMS: Final = ("compact", PORTABLE, "single", "folded")
OF_A_FIXED_BATCH: Final = ("single", "folded")
WITHOUT_LOOPS: Final = ("compact", "single")  # of `odconv_keras.recording`


@dataclass(frozen=True)
class Target:
    """One format of files that a runtime plays.

    Attributes:
        name: as `--format` has it.
        suffixes: endings of a path that ask for it. The first is that of the file that is opened;
            others may stand beside it.
        framework: "torch", "keras" or "paddle", which builds the network and writes the file. Its
            part is in `odconv/exporting/F_networks.py`: `build(spec)`, `wrapped(model, job)` with
            all that the job puts around the network, `prepared(model, job)`, a copy that is ready
            to be written, and `outputs(model, images)`, which computes one of the two.
        module: has `write(model, path, job)`, where `model` is prepared. It writes the file at
            `path`, whatever belongs beside it, and `job.metadata` into it. The folder of `path` is
            empty before.
        runtime: of `odconv.runtimes`, which plays the file.
        forms: which forms of dynamic convolutions it takes; the first is its default.
        reason: why that is the default, in a few words.
        of_fixed: the default of a batch that is known, where that is another.
        extra: of this package, with what writes and plays it.
        layout: of the images that the file takes.
        several: whether it has a place for several outputs.
        half: whether its arrays can be in half precision.
        int8: whether it can compute in integers.
    """

    name: str
    suffixes: tuple[str, ...]
    framework: str
    module: str
    runtime: str
    forms: tuple[str, ...]
    reason: str
    of_fixed: str | None = None
    extra: str = "export"
    layout: str = "NCHW"
    several: bool = True
    half: bool = False
    int8: bool = False

    def default_form(self, integers: bool, batch: int | None) -> tuple[str, str]:
        """The form that is taken where none is asked for, and why."""
        if integers:
            return PORTABLE, "integers need kernels that are constant"
        if batch is not None and self.of_fixed is not None:
            return self.of_fixed, "takes the least time for a batch that is known"
        return self.forms[0], self.reason

    @property
    def writer(self) -> ModuleType:
        """What writes it, imported with what it needs."""
        return import_module(self.module)

    @property
    def networks(self) -> ModuleType:
        """The framework's part of an export."""
        return import_module(f"odconv.exporting.{self.framework}_networks")


TARGETS: Final = (
    Target(
        "onnx",
        (".onnx",),
        "torch",
        "odconv.exporting.onnx",
        "onnxruntime",
        FORMS,
        "takes the least time in ONNX Runtime at any batch",
        of_fixed="folded",
        half=True,
        int8=True,
    ),
    Target(
        "openvino",
        (".xml",),
        "torch",
        "odconv.exporting.openvino",
        "openvino",
        FORMS,
        "takes the least time in OpenVINO at any batch",
        of_fixed="single",
        half=True,
    ),
    Target(
        "pt2",
        (".pt2",),
        "torch",
        "odconv.exporting.pt2",
        "pt2",
        FORMS,
        "takes the least time in PyTorch",
    ),
    Target(
        "torchscript",
        (".torchscript",),
        "torch",
        "odconv.exporting.torchscript",
        "torchscript",
        FORMS,
        "takes the least time in PyTorch",
    ),
    Target(
        "saved_model",
        (".saved_model",),
        "keras",
        "odconv.exporting.saved_model",
        "saved_model",
        WITHOUT_LOOPS,
        "takes any batch",
        extra="tensorflow",
        layout="NHWC",
    ),
    Target(
        "litert",
        (".tflite",),
        "keras",
        "odconv.exporting.litert",
        "litert",
        WITHOUT_LOOPS,
        "takes any batch",
        extra="litert",
        layout="NHWC",
        half=True,
    ),
    Target(
        "paddle",
        (".pdiparams",),
        "paddle",
        "odconv.exporting.paddle",
        "paddle",
        ("compact",),
        "takes any batch",
        extra="paddle",
    ),
)


def target_of(path: Path, name: str | None = None) -> Target:
    """The target that a destination's ending or `--format` asks for.

    Raises:
        UsageError: there is none, or the two contradict each other.
    """
    if name is None:
        return _by_ending(path)
    rows = {target.name: target for target in TARGETS}
    if name not in rows:
        raise UsageError(f"unknown format {legible(name)}", f"known: {', '.join(rows)}")
    if not path.name.lower().endswith(rows[name].suffixes):
        endings = " or ".join(rows[name].suffixes)
        raise UsageError(
            f"expected a destination that ends in {endings}, as files of {name} do, received "
            f"{legible(path.name)}"
        )
    return rows[name]


def _by_ending(path: Path) -> Target:
    for target in TARGETS:
        if path.name.lower().endswith(target.suffixes):
            return target
    known = ", ".join(suffix for target in TARGETS for suffix in target.suffixes)
    raise UsageError(
        f"expected a destination that ends in {known}, received {legible(path.name)}",
        help="`odconv convert` writes checkpoints, such as .pth and .safetensors",
    )
