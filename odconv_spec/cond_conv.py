"""Conditionally parameterised convolution, https://arxiv.org/abs/1904.04971."""

from __future__ import annotations

from dataclasses import dataclass

from odconv_spec.dynamic import DynamicConvSpec
from odconv_spec.geometry import flag, one_of
from odconv_spec.layers import LinearSpec
from odconv_spec.parameters import Parameter, under

ROUTERS = ("own", "shared")


@dataclass(frozen=True, kw_only=True)
class CondConvSpec(DynamicConvSpec):
    """Conditionally parameterised convolution, https://arxiv.org/abs/1904.04971.

    Kernels and biases are mixed by routing weights: a sigmoid of one linear layer on the sample's
    mean over space, without a temperature. `router` is "own", or "shared" where the layer has none
    and is called with the routing weights that one router gives to all convolutions of a block.
    `mix_bias=False` makes `bias` a plain offset instead of one for each kernel.
    """

    kernel_num: int = 8
    head_init: str = "published"
    router: str = "own"
    mix_bias: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("router", self.router, ROUTERS)
        flag("mix_bias", self.mix_bias)

    @property
    def mixes_biases(self) -> bool:
        return self.mix_bias

    def routing(self) -> LinearSpec:
        return LinearSpec(self.in_channels, self.kernel_num)

    @property
    def start_gain(self) -> float:
        return self.kernel_num / 2  # sigmoids of zero, added up

    def attention_parameters(self) -> tuple[Parameter, ...]:
        return under("routing", self.routing().parameters()) if self.router == "own" else ()
