"""Every method in one small ResNet, with its own defaults, annealed where it has a temperature."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from benchmarks.accuracy.settings import NONE, Setting
from odconv_spec import BackboneSpec, model_spec
from odconv_spec.choice import KINDS
from odconv_spec.schedule import annealing_of
from odconv_training import Recipe

STAGES: Final = ((32, 1), (64, 1), (128, 1))  # of widths that every method takes
_NETWORK: Final = "resnet18"  # of which the blocks are
METHODS: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (  # name, prefix, options
    ("static", "", {}),
    ("SE", "se_", {}),
    ("CBAM", "cbam_", {}),
    ("ECA", "eca_", {}),
    ("CGC", "cgc_", {}),
    ("WeightNet", "weightnet_", {}),
    ("WE", "we_", {}),
    ("CondConv 4x", "cond_", {"kernel_num": 4}),
    ("DyConv 4x", "dy_", {}),
    ("DCD", "dcd_", {}),
    ("KernelWarehouse 1x", "kw_", {}),
    ("ODConv 1x", "od_", {}),
    ("ODConv 4x", "od_", {"kernel_num": 4}),
    ("FDConv", "fdconv_", {"kernel_num": 32}),  # which divides the coefficients of its widths
)


@dataclass(frozen=True)
class Method(Setting):
    """A method with the start and the options that it has by default; `kind` begins its models."""

    options: tuple[tuple[str, Any], ...] = ()

    def spec(self) -> BackboneSpec:
        """The network for the digits."""
        return model_spec(
            f"{self.kind}{_NETWORK}",
            num_classes=10,
            stages=tuple((int(width * self.width), depth) for width, depth in STAGES),
            stem_channels=int(STAGES[0][0] * self.width),
            **dict(self.options),
        )

    def recipe(self, epochs: int) -> Recipe:
        """That of the digits, with the temperatures of the kind."""
        kind = annealing_of(self.spec().parameters())
        recipe = super().recipe(epochs)
        return replace(recipe, temperature_start=kind.start, temperature_end=kind.end)


def methods(width: float = 1.0) -> Iterator[Method]:
    """A setting for each method."""
    for name, prefix, options in METHODS:
        spec = KINDS.get(prefix.removesuffix("_"))
        annealed = "yes" if getattr(spec, "has_temperature", False) else NONE
        found = Method(name, prefix, None, NONE, annealed, width)
        yield replace(found, options=tuple(options.items()))
