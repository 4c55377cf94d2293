"""What is compared: kinds of convolution, starts of their heads, annealing, and widths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from odconv_spec import BackboneSpec, ConvChoice
from odconv_spec.kernel_bank import HEAD_INITS
from odconv_training import RECIPES, Recipe, digits

WIDTHS = (0.5, 0.25)
NONE = "none"
_ANNEALED = ("yes", "no")
_CLIPPED = "CondConv 4x, clipped"
_CLIP_NORM = 1.0
_CONVS = (  # name, kind, kernels, whether it has a temperature
    ("static", "static", None, False),
    ("CondConv 4x", "cond", 4, False),
    (_CLIPPED, "cond", 4, False),
    ("DyConv 4x", "dy", 4, True),
    ("ODConv 1x", "od", 1, True),
    ("ODConv 4x", "od", 4, True),
)


@dataclass(frozen=True)
class Setting:
    """One network and how it is trained.

    `heads` is how the layer that weighs the kernels starts, `annealed` whether its temperature
    falls in training; both are "none" where there is none.
    """

    network: str
    kind: str
    kernel_num: int | None
    heads: str
    annealed: str
    width: float

    def spec(self) -> BackboneSpec:
        """The network for the digits, with this convolution and width."""
        options: dict[str, Any] = {} if self.kernel_num is None else {"kernel_num": self.kernel_num}
        if self.heads != NONE:
            options["head_init"] = self.heads
        return replace(digits.spec(), conv=ConvChoice.of(self.kind, **options), width=self.width)

    @property
    def clip_norm(self) -> float | None:
        """The longest gradient; longer ones drive the sigmoids of CondConv's classifier to zero."""
        return _CLIP_NORM if self.network == _CLIPPED else None

    def recipe(self, epochs: int) -> Recipe:
        """That of the digits, squeezed into so many epochs."""
        usual = RECIPES["digits"]
        annealing = usual.temperature_epochs * epochs / usual.epochs
        return replace(
            usual, epochs=epochs, temperature_epochs=annealing if self.annealed == "yes" else 0
        )


def settings(widths: tuple[float, ...] = WIDTHS) -> Iterator[Setting]:
    for width in widths:
        for network, kind, kernel_num, has_temperature in _CONVS:
            for annealed in _ANNEALED if has_temperature else (NONE,):
                for heads in (NONE,) if kind == "static" else HEAD_INITS:
                    yield Setting(network, kind, kernel_num, heads, annealed, width)
