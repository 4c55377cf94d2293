"""Dynamic convolution, https://arxiv.org/abs/1912.03458."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from odconv_spec.conv import ConvSpec
from odconv_spec.evidence import Shapes, Widths, no_reduction, owners, possible, ratios, widths
from odconv_spec.geometry import flag, one_of, real, whole
from odconv_spec.kernel_bank import KernelBankSpec
from odconv_spec.parameters import Parameter, under

HIDDEN_RULES = ("paper", "plus_one")
IMAGE_CHANNELS = 3


@dataclass(frozen=True, kw_only=True)
class DyConvSpec(KernelBankSpec):
    """Dynamic convolution, https://arxiv.org/abs/1912.03458.

    Kernels and biases are mixed by a softmax over two layers on the sample's mean over space.

    `reduction` gives the hidden width between the two, by `hidden_rule`: "paper" is
    int(in * reduction), at least 1; "plus_one" is what circulates as code for the paper,
    int(in * reduction) + 1, or `kernel_num` where the input is an image of three channels.
    `hidden_channels` overrules both. Circulating checkpoints also differ in whether the two layers
    have biases: `fc1_bias`, `fc2_bias`.

    Example:
        >>> spec = DyConvSpec(in_channels=64, out_channels=48, kernel_size=3)
        >>> spec.attention_channels, spec.bank_shape
        (16, (4, 48, 64, 3, 3))
        >>> [p.name for p in spec.parameters()]
        ['weight', 'attention.fc1.weight', 'attention.fc2.weight', 'attention.fc2.bias']
    """

    kind: ClassVar[str] = "dy"
    parts: ClassVar[frozenset[str]] = frozenset({"block", "shortcut", "last"})
    sign: ClassVar[str] = "attention.fc1.weight"
    weigher: ClassVar[str] = "attention.fc2"
    shown_by: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("reduction", "hidden_rule", "hidden_channels"), "attention.fc1.weight"
    )

    reduction: float = 0.25
    hidden_rule: str = "paper"
    hidden_channels: int | None = None
    fc1_bias: bool = False
    fc2_bias: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        real("reduction", self.reduction, 0, 1)
        one_of("hidden_rule", self.hidden_rule, HIDDEN_RULES)
        flag("fc1_bias", self.fc1_bias)
        flag("fc2_bias", self.fc2_bias)
        if self.hidden_channels is not None:
            whole("hidden_channels", self.hidden_channels, 1)

    @property
    def attention_channels(self) -> int:
        """Hidden width of the attention.

        Returns:
            A number of channels.
        """
        if self.hidden_channels is not None:
            return self.hidden_channels
        width = int(self.in_channels * self.reduction)
        if self.hidden_rule == "paper":
            return max(width, 1)
        return self.kernel_num if self.in_channels == IMAGE_CHANNELS else width + 1

    def fc1(self) -> ConvSpec:
        """The first layer of the attention, a 1x1 convolution of the mean.

        Returns:
            Its spec, from the channels of the input to the hidden width.
        """
        return self._pointwise(self.in_channels, self.attention_channels, self.fc1_bias)

    def fc2(self) -> ConvSpec:
        """The second layer of the attention, which weighs the kernels.

        Returns:
            Its spec, from the hidden width to the number of kernels.
        """
        return self._pointwise(self.attention_channels, self.kernel_num, self.fc2_bias)

    @property
    def start_gain(self) -> float:
        return 1.0  # a softmax adds up to one

    def attention_parameters(self) -> tuple[Parameter, ...]:
        layers = under("fc1", self.fc1().parameters()) + under("fc2", self.fc2().parameters())
        return under("attention", layers)

    @classmethod
    def shows(cls, shapes: Shapes) -> bool:
        """Not where a norm stands between the layers of the attention, as in KernelWarehouse."""
        return super().shows(shapes) and not owners(shapes, "attention.norm1.weight")

    @classmethod
    def infer_options(cls, shapes: Shapes) -> dict[str, Any]:
        options = super().infer_options(shapes)
        return {
            **options,
            "fc1_bias": bool(owners(shapes, "attention.fc1.bias")),
            "fc2_bias": bool(owners(shapes, "attention.fc2.bias")),
            **cls._infer_hidden(widths(shapes, "attention.fc1.weight"), options["kernel_num"]),
        }

    @classmethod
    def _infer_hidden(cls, found: Widths, kernel_num: int) -> dict[str, Any]:
        """The options that explain every hidden width: those of the paper first."""
        for rule in HIDDEN_RULES:
            less = {(width, hidden - (rule == "plus_one")) for width, hidden in found}
            for reduction in (0.25, *ratios(less)):
                options = {"hidden_rule": rule, "reduction": reduction}
                if all(cls._hidden(w, kernel_num, options) == hidden for w, hidden in found):
                    return options
        if len({hidden for _, hidden in found}) == 1:
            return {"hidden_channels": next(iter(found))[1]}
        raise no_reduction(found, "int(width * reduction), or one more")

    @classmethod
    def _hidden(cls, in_channels: int, kernel_num: int, options: Mapping[str, Any]) -> int:
        """The hidden width that the options give."""
        known: dict[str, Any] = {"in_channels": in_channels, "kernel_num": kernel_num, **options}
        with possible():
            return cls(out_channels=1, kernel_size=1, **known).attention_channels
