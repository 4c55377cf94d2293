"""Which cases are measured: a few in minutes, or all of them in hours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from importlib.util import find_spec
from itertools import chain, product

from benchmarks.cases import (
    COMPILED,
    COMPILERS,
    CONVERSIONS,
    ENDINGS,
    GROUPS,
    INFERENCE,
    LAYERS,
    LOAD_AND_SAVE,
    MEMORY,
    METHODS,
    MODES,
    NETWORKS,
    OFFICIAL,
    OFFICIAL_CODE,
    OFFICIAL_STATIC,
    OURS,
    OURS_LAST,
    PUBLISHED,
    SCALING,
    STATIC,
    STATIC_LAST,
    TRAINING,
    VARIANTS,
    Case,
    Layer,
    Network,
)
from benchmarks.conditions import CPU, CUDA

CONVS = (("od", 1), ("od", 4), ("dy", 4), ("cond", 8))
# What mixes no bank of kernels; the last three are layers behind a convolution.
OTHER_KINDS = ("cgc", "weightnet", "we", "dcd", "kw", "fdconv", "se", "cbam", "eca")
BATCHES = (1, 8, 32)
RESNET18 = Network("resnet18")
RESNET50 = Network("resnet50")
MOBILENETV2 = Network("mobilenetv2_100")

OF_EACH_DEPTH = (Layer(64, 64, 56), Layer(128, 128, 28), Layer(256, 256, 14), Layer(512, 512, 7))
WIDENING = (Layer(256, 64, 56, kernel=1), Layer(512, 2048, 7, kernel=1))
SHAPES = (
    *OF_EACH_DEPTH,
    Layer(64, 128, 56, stride=2),
    Layer(256, 512, 14, stride=2),
    *WIDENING,
    Layer(64, 256, 56, kernel=1),
    Layer(1024, 256, 14, kernel=1),
    Layer(2048, 512, 7, kernel=1),
    Layer(16, 96, 112, kernel=1),
    Layer(144, 24, 56, kernel=1),
    Layer(32, 192, 28, kernel=1),
    Layer(384, 64, 14, kernel=1),
    Layer(960, 160, 7, kernel=1),
    Layer(32, 32, 112, depthwise=True),
    Layer(96, 96, 112, stride=2, depthwise=True),
    Layer(144, 144, 56, depthwise=True),
    Layer(192, 192, 28, depthwise=True),
    Layer(384, 384, 14, depthwise=True),
    Layer(960, 960, 7, depthwise=True),
)
SHORT_SHAPES = (
    *OF_EACH_DEPTH,
    *WIDENING,
    Layer(16, 96, 112, kernel=1),
    Layer(960, 160, 7, kernel=1),
    Layer(144, 144, 56, depthwise=True),
    Layer(960, 960, 7, depthwise=True),
)
QUICK_SHAPES = (
    Layer(256, 256, 14),
    Layer(256, 64, 56, kernel=1),
    Layer(960, 960, 7, depthwise=True),
)
FEW_SHAPES = (*QUICK_SHAPES, Layer(512, 512, 7))
# Four shapes of layers beside code that circulates, and how everything stands beside others' code.
CIRCULATING = (*OF_EACH_DEPTH[:2], OF_EACH_DEPTH[3], Layer(256, 1024, 14, kernel=1))
_STEPS = ((INFERENCE, 1), (INFERENCE, 8), (INFERENCE, 32), (TRAINING, 8))
LAYOUTS = (STATIC, STATIC_LAST, PUBLISHED, OURS)
_PLAIN_LAYOUTS = (STATIC, STATIC_LAST, OURS)
_PLAIN = (STATIC, OURS)  # the published formulation takes most of the time, so few networks show it


@dataclass(frozen=True)
class Selection:
    """The cases of the short or the long run, of some groups, whose id fits one of the patterns."""

    long: bool = False
    groups: Sequence[str] = GROUPS
    patterns: Sequence[str] = ("*",)
    plain: bool = False  # leaves the published formulation out, which takes most of the time
    device: str = CPU
    official: bool = False  # whether there is a folder of the official code

    def cases(self, runtime: str) -> Iterator[Case]:
        for case in self._every(runtime):
            fits = any(fnmatch(case.id, pattern) for pattern in self.patterns)
            if fits and case.group in self.groups:
                yield _without_published(case) if self._is_plain(case, runtime) else case

    def processes(self, runtime: str) -> Iterator[Selection]:
        """What each process of a runtime measures: a network has one of its own.

        The first networks of a process get large arrays from the system, page by page, for each
        operation; later ones find memory that the process has kept, and take half of the time.
        """
        alone = [case for case in self.cases(runtime) if case.group in (NETWORKS, OFFICIAL_CODE)]
        for case in alone:
            yield replace(self, groups=(case.group,), patterns=(case.id,))
        others = tuple(group for group in self.groups if group not in (NETWORKS, OFFICIAL_CODE))
        if others:
            yield replace(self, groups=others)

    def _is_plain(self, case: Case, runtime: str) -> bool:
        return self.plain or _takes_minutes(case, runtime)

    def _every(self, runtime: str) -> Iterator[Case]:
        if self.device == CUDA:
            return _on_gpu((32, 64, 128, 256) if self.long else (32, 256))
        official = _official() if self.official and runtime == "torch" else iter(())
        return chain(official, self._of_cpu(runtime))

    def _of_cpu(self, runtime: str) -> Iterator[Case]:
        if not self.long:
            return _short_torch() if runtime == "torch" else _short_other()
        return chain(_long(runtime), _methods(runtime), _compiled(runtime), _conversions(runtime))


def _without_published(case: Case) -> Case:
    return replace(case, variants=tuple(name for name in case.variants if name != PUBLISHED))


def _takes_minutes(case: Case, runtime: str) -> bool:
    """XLA computes gradients of depthwise convolutions, one a sample, in seconds for each layer."""
    subject = case.subject
    depthwise = subject.depthwise if isinstance(subject, Layer) else subject == MOBILENETV2
    return runtime == "keras-jax" and case.mode == TRAINING and depthwise


def _short_torch() -> Iterator[Case]:
    for mode, shape in product(MODES, SHORT_SHAPES):
        yield Case(LAYERS, shape, "od", 1, mode, 8)
        yield Case(LAYERS, shape, "od", 4, mode, 8)
    for shape, (kind, kernel_num) in product(QUICK_SHAPES, CONVS[2:]):
        yield Case(LAYERS, shape, kind, kernel_num, TRAINING, 8)
    yield Case(LAYERS, Layer(512, 512, 7), "od", 4, INFERENCE, 32)
    for network in (RESNET18, MOBILENETV2):
        yield Case(NETWORKS, network, "od", 1, INFERENCE, 8, _PLAIN_LAYOUTS)
    for network in (RESNET18, RESNET50, MOBILENETV2):
        yield Case(NETWORKS, network, "od", 4, INFERENCE, 1, _PLAIN_LAYOUTS)
        yield Case(NETWORKS, network, "od", 4, INFERENCE, 8, _PLAIN_LAYOUTS)
    for kind, kernel_num in CONVS[2:]:
        yield Case(NETWORKS, RESNET18, kind, kernel_num, INFERENCE, 8, _PLAIN_LAYOUTS)
    yield Case(NETWORKS, RESNET18, "od", 4, TRAINING, 8, LAYOUTS)
    yield Case(NETWORKS, RESNET50, "od", 4, TRAINING, 8, _PLAIN_LAYOUTS)
    yield Case(NETWORKS, MOBILENETV2, "od", 4, TRAINING, 8, _PLAIN_LAYOUTS)
    yield from _scaling((1, 4, 16, 64), (1, 2, 4, 8), (INFERENCE,), _PLAIN)
    yield Case(MEMORY, RESNET18, "od", 4, TRAINING, 8)
    yield from _conversions("torch")


def _short_other() -> Iterator[Case]:
    for shape in FEW_SHAPES:
        yield Case(LAYERS, shape, "od", 4, INFERENCE, 8)
    for shape in QUICK_SHAPES:
        yield Case(LAYERS, shape, "od", 4, TRAINING, 8)
    yield Case(NETWORKS, RESNET18, "od", 4, INFERENCE, 8, _PLAIN)
    yield Case(NETWORKS, RESNET18, "od", 4, TRAINING, 8, _PLAIN)


def _on_gpu(batches: Sequence[int]) -> Iterator[Case]:
    """Networks; the worker measures the memory of each in the same run."""
    networks = (RESNET18, RESNET50, MOBILENETV2)
    for network, kernel_num, mode, batch in product(networks, (1, 4), MODES, batches):
        yield Case(NETWORKS, network, "od", kernel_num, mode, batch, (*LAYOUTS, OURS_LAST))


def _official() -> Iterator[Case]:
    """Every way of running the official networks, and layers beside those that circulate."""
    variants = (OFFICIAL_STATIC, STATIC, STATIC_LAST, OFFICIAL, OURS, OURS_LAST)
    for network, kernel_num in product((MOBILENETV2, RESNET18, RESNET50), (1, 4)):
        for mode, batch in _STEPS:
            yield Case(OFFICIAL_CODE, network, "od", kernel_num, mode, batch, variants)
    kinds = ("dy", "cond") if has_timm() else ("dy",)
    for shape, kind, (mode, batch) in product(CIRCULATING, kinds, _STEPS):
        if batch <= 8:
            yield Case(OFFICIAL_CODE, shape, kind, 4, mode, batch, (STATIC, OFFICIAL, OURS))


def has_timm() -> bool:
    return find_spec("timm") is not None


def _long(runtime: str) -> Iterator[Case]:
    for shape, (kind, kernel_num), mode, batch in product(SHAPES, CONVS, MODES, BATCHES):
        yield Case(LAYERS, shape, kind, kernel_num, mode, batch)
    networks = (RESNET18, RESNET50, MOBILENETV2)
    variants = LAYOUTS if runtime == "torch" else VARIANTS
    for network, (kind, kernel_num), mode, batch in product(networks, CONVS, MODES, BATCHES):
        yield Case(NETWORKS, network, kind, kernel_num, mode, batch, variants)
    yield from _scaling((1, 2, 4, 8, 16, 32, 64), tuple(range(1, 9)), MODES)
    for network, batch in product(networks, (8, 32)):
        yield Case(MEMORY, network, "od", 4, TRAINING, batch)


def _methods(runtime: str) -> Iterator[Case]:
    """The methods whose published formulation stands in `published/torch_methods.py`."""
    if runtime != "torch":
        return
    for kind, mode in product(OTHER_KINDS[:-3], MODES):
        yield Case(METHODS, Layer(128, 128, 28), kind, None, mode, 8)
    for kind, mode in product(OTHER_KINDS, MODES):
        yield Case(METHODS, RESNET18, kind, None, mode, 8)


def _compiled(runtime: str) -> Iterator[Case]:
    """Ours as it is beside ours by the framework's compiler, where that is not the usual way."""
    if runtime == "keras-jax":
        return
    modes = MODES if runtime == "torch" else (INFERENCE,)
    for network, kernel_num, mode in product((RESNET18, MOBILENETV2), (1, 4), modes):
        yield Case(COMPILERS, network, "od", kernel_num, mode, 8, (STATIC, OURS, COMPILED))


def _conversions(runtime: str) -> Iterator[Case]:
    """The largest published checkpoint to every format, beside what torch takes to copy it."""
    if runtime == "torch":
        for ending in ENDINGS:
            yield Case(CONVERSIONS, RESNET50, "od", 4, ending, 0, (LOAD_AND_SAVE, OURS))


def _scaling(
    batches: Sequence[int],
    kernel_nums: Sequence[int],
    modes: Sequence[str],
    variants: tuple[str, ...] = Case.variants,
) -> Iterator[Case]:
    """One layer of each depth of ResNet18, over batch sizes and over numbers of kernels."""
    for shape, mode in product(OF_EACH_DEPTH, modes):
        for batch in sorted({*batches, 8}):
            yield Case(SCALING, shape, "od", 4, mode, batch, variants)
        for kernel_num in sorted({*kernel_nums} - {4}):
            yield Case(SCALING, shape, "od", kernel_num, mode, 8, variants)
