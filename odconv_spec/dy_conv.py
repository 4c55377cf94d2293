"""Dynamic convolution, https://arxiv.org/abs/1912.03458."""

from __future__ import annotations

from dataclasses import dataclass

from odconv_spec.dynamic import DynamicConvSpec
from odconv_spec.geometry import flag, one_of, real, whole
from odconv_spec.layers import ConvSpec
from odconv_spec.parameters import Parameter, under

HIDDEN_RULES = ("paper", "plus_one")
IMAGE_CHANNELS = 3


@dataclass(frozen=True, kw_only=True)
class DyConvSpec(DynamicConvSpec):
    """Dynamic convolution, https://arxiv.org/abs/1912.03458.

    Kernels and biases are mixed by a softmax over two layers on the sample's mean over space.

    `reduction` gives the hidden width between the two, by `hidden_rule`: "paper" is
    int(in * reduction), at least 1; "plus_one" is what circulates as code for the paper,
    int(in * reduction) + 1, or `kernel_num` where the input is an image of three channels.
    `hidden_channels` overrules both. Circulating checkpoints also differ in whether the two layers
    have biases: `fc1_bias`, `fc2_bias`.
    """

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
        """Hidden width of the attention."""
        if self.hidden_channels is not None:
            return self.hidden_channels
        width = int(self.in_channels * self.reduction)
        if self.hidden_rule == "paper":
            return max(width, 1)
        return self.kernel_num if self.in_channels == IMAGE_CHANNELS else width + 1

    def fc1(self) -> ConvSpec:
        return self._pointwise(self.in_channels, self.attention_channels, self.fc1_bias)

    def fc2(self) -> ConvSpec:
        return self._pointwise(self.attention_channels, self.kernel_num, self.fc2_bias)

    @property
    def start_gain(self) -> float:
        return 1.0  # a softmax adds up to one

    def attention_parameters(self) -> tuple[Parameter, ...]:
        layers = under("fc1", self.fc1().parameters()) + under("fc2", self.fc2().parameters())
        return under("attention", layers)
