"""Conditionally parameterised convolution, https://arxiv.org/abs/1904.04971."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

from odconv_spec.conv import ConvSpec
from odconv_spec.evidence import Shapes, dimension, owners
from odconv_spec.geometry import flag, one_of
from odconv_spec.kernel_bank import KernelBankSpec
from odconv_spec.linear import LinearSpec
from odconv_spec.parameters import LINEAR, Parameter, Role, under
from odconv_spec.shared import SharedSpec
from odconv_spec.site import Site

ROUTERS = ("own", "shared")
# How many of the last blocks have them, which gives the published counts; all in another family.
_LAST_BLOCKS: Final[Mapping[str, int]] = {"resnet": 3, "mobilenetv2": 6}


@dataclass(frozen=True)
class RoutingSpec(SharedSpec):
    """The router: routing weights of `out_channels` kernels from a map of `in_channels`.

    Example:
        >>> router = CondConvSpec(in_channels=32, out_channels=8, kernel_size=3).routing()
        >>> isinstance(router, RoutingSpec), [p.shape for p in router.parameters()]
        (True, [(8, 32), (8,)])
    """

    name: ClassVar[str] = "routing"

    head_init: str = "published"

    def parameters(self) -> tuple[Parameter, ...]:
        return LinearSpec(self.in_channels, self.out_channels).parameters()


@dataclass(frozen=True, kw_only=True)
class CondConvSpec(KernelBankSpec):
    """Conditionally parameterised convolution, https://arxiv.org/abs/1904.04971.

    Kernels and biases are mixed by routing weights: a sigmoid of one linear layer on the sample's
    mean over space, without a temperature. `router` is "own", or "shared" where the layer has none
    and is called with the routing weights that one router gives to all convolutions of a block.
    `mix_bias=False` makes `bias` a plain offset instead of one for each kernel.

    Raises:
        ValueError: besides what every kernel bank raises, an unknown router, or a `mix_bias` that
        is no flag.

    Example:
        >>> spec = CondConvSpec(in_channels=32, out_channels=8, kernel_size=3, bias=True)
        >>> [(p.name, p.shape) for p in spec.parameters()][:3]
        [('weight', (8, 8, 32, 3, 3)), ('bias', (8, 8)), ('routing.weight', (8, 32))]
    """

    kind: ClassVar[str] = "cond"
    parts: ClassVar[frozenset[str]] = frozenset({"block"})
    placed: ClassVar[frozenset[str]] = frozenset({"router", "mix_bias"})
    mixer: ClassVar[str] = "routing"
    mixer_roles: ClassVar[Mapping[str, tuple[Role, ...]]] = {"": LINEAR}
    has_temperature: ClassVar[bool] = False
    sign: ClassVar[str] = "routing.weight"
    weigher: ClassVar[str] = "routing"

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

    def routing(self) -> RoutingSpec:
        """The layer that weighs the kernels.

        Returns:
            The spec of a router, whether the layer has its own or shares one.
        """
        return RoutingSpec(self.in_channels, self.kernel_num, self.head_init)

    @property
    def takes_shared(self) -> bool:
        return self.router == "shared"

    @property
    def start_gain(self) -> float:
        return self.kernel_num / 2  # sigmoids of zero, added up

    def fused(self, channels: int) -> CondConvSpec:
        if self.bias and self.mix_bias:
            raise ValueError(
                "conv: expected a CondConv without a bias or with mix_bias=False, received one "
                "with mixed biases; its routing weights do not add up to one, so they would scale "
                "the shift"
            )
        return replace(super().fused(channels), mix_bias=False)

    def attention_parameters(self) -> tuple[Parameter, ...]:
        return under("routing", self.routing().parameters()) if self.router == "own" else ()

    @classmethod
    def takes(cls, site: Site, geometry: Mapping[str, Any]) -> bool:
        last = _LAST_BLOCKS.get(site.family, site.behind + 1)
        return super().takes(site, geometry) and site.behind < last

    @classmethod
    def at(cls, site: Site, geometry: Mapping[str, Any], options: Mapping[str, Any]) -> ConvSpec:
        router = "shared" if site.shared else "own"
        return super().at(site, geometry, {**options, "router": router})

    @classmethod
    def shared_of_block(
        cls, site: Site, in_channels: int, options: Mapping[str, Any]
    ) -> RoutingSpec | None:
        if not cls.takes(site, {}):
            return None
        return RoutingSpec(in_channels, options["kernel_num"], options["head_init"])

    @classmethod
    def classifier(
        cls, site: Site, in_channels: int, out_channels: int, options: Mapping[str, Any]
    ) -> CondConvSpec:
        """A 1x1 convolution of the pooled map."""
        return cls(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=1,
            bias=True,
            mix_bias=False,
            **options,
        )

    @classmethod
    def infer_options(cls, shapes: Shapes) -> dict[str, Any]:
        router = owners(shapes, "routing.weight")[0]  # of a block, whose kernels are in its layers
        return {"kernel_num": dimension(shapes, f"{router}routing.weight", 0)}

    @classmethod
    def from_arrays(cls, shapes: Shapes) -> CondConvSpec:
        spec = super().from_arrays(shapes)
        return replace(spec, mix_bias=len(shapes.get("bias", ())) != 1)
