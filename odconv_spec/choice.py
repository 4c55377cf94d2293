"""Which convolution a backbone is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from odconv_spec.cg_conv import CGConvSpec
from odconv_spec.cond_conv import CondConvSpec
from odconv_spec.conv import ConvSpec
from odconv_spec.dcd_conv import DCDConvSpec
from odconv_spec.dy_conv import DyConvSpec
from odconv_spec.dynamic import PROBE, DynamicConvSpec
from odconv_spec.evidence import Shapes, possible
from odconv_spec.fd_conv import FDConvSpec
from odconv_spec.kernel_bank import KernelBankSpec
from odconv_spec.kw_conv import KWConvSpec
from odconv_spec.od_conv import ODConvSpec
from odconv_spec.plugins import with_plugins
from odconv_spec.shared import SharedSpec
from odconv_spec.site import Site
from odconv_spec.we_conv import WEConvSpec
from odconv_spec.weight_net_conv import WeightNetConvSpec

GROUP: Final = "odconv.convolutions"
KINDS: Final[Mapping[str, type[ConvSpec]]] = {
    spec.kind: spec
    for spec in (
        ConvSpec,
        ODConvSpec,
        DyConvSpec,
        CondConvSpec,
        CGConvSpec,
        DCDConvSpec,
        FDConvSpec,
        WEConvSpec,
        KWConvSpec,
        WeightNetConvSpec,
    )
}


def kinds() -> Mapping[str, type[ConvSpec]]:
    """Kind -> spec class, of this project and of installed packages."""
    return with_plugins(GROUP, KINDS, "kind")


@cache
def dynamic_kinds() -> tuple[type[DynamicConvSpec], ...]:
    """The spec classes of all dynamic convolutions."""
    return tuple(spec for spec in kinds().values() if issubclass(spec, DynamicConvSpec))


def spec_class(kind: str) -> type[ConvSpec]:
    """The spec class of a kind. Raises ValueError for an unknown one."""
    if kind in KINDS:
        return KINDS[kind]  # for which no package is searched
    every = kinds()
    if kind not in every:
        known = ", ".join(map(repr, every))
        raise ValueError(f"conv: expected one of {known}, received {kind!r}")
    return every[kind]


@cache
def bank_kinds() -> tuple[type[KernelBankSpec], ...]:
    """The spec classes of those that mix kernels."""
    return tuple(spec for spec in dynamic_kinds() if issubclass(spec, KernelBankSpec))


def shown_kind(shapes: Shapes) -> type[DynamicConvSpec] | None:
    """The kind of dynamic convolution that arrays show, of a layer or a network; None for none.

    Example:
        >>> shown_kind({"layer1.0.conv1.attention.fc1.weight": (16, 64, 1, 1)}).title()
        'DyConv'
    """
    return next((spec for spec in dynamic_kinds() if spec.shows(shapes)), None)


def conv_options(kind: str) -> dict[str, Any]:
    """Every option of `kind` that is not geometry, with its default in a backbone."""
    return spec_class(kind).backbone_options()


@dataclass(frozen=True)
class ConvChoice:
    """A kind of convolution with its options; called with a geometry, it gives the layer's spec.

    Example:
        >>> choice = ConvChoice.of("od", kernel_num=4)
        >>> choice(in_channels=8, out_channels=6, kernel_size=3).bank_shape
        (4, 6, 8, 3, 3)
        >>> dict(choice.options)["reduction"]
        0.0625
    """

    kind: str
    options: tuple[tuple[str, Any], ...]

    @classmethod
    def of(cls, kind: str, **options: Any) -> ConvChoice:
        """A kind with some of its options; the others have their defaults in a backbone.

        Returns:
            The choice, with a value for every option of the kind.

        Raises:
            ValueError: an unknown kind, an option that it does not have, or a value out of range.

        Example:
            >>> ConvChoice.of("cond")(in_channels=8, out_channels=6, kernel_size=3).bank_shape
            (8, 6, 8, 3, 3)
        """
        known = conv_options(kind)
        unknown = sorted(set(options) - set(known))
        if unknown:
            accepted = ", ".join(sorted(known)) or "none"
            raise ValueError(
                f"a {kind!r} convolution has the options {accepted}; received {unknown}"
            )
        # The layer's spec checks the values and brings them into their normal form.
        spec, chosen = spec_class(kind), known | options
        geometry = spec.probe(chosen) if issubclass(spec, DynamicConvSpec) else PROBE
        probe = spec(**geometry, **chosen)
        return cls(kind, tuple((name, getattr(probe, name)) for name in sorted(known)))

    @classmethod
    def from_arrays(cls, shapes: Shapes) -> ConvChoice:
        """The convolution of the blocks of the network that has these arrays.

        What leaves no trace in the arrays, such as the activation of the spatial attention, is
        taken to be as published.

        Returns:
            The kind and its options; static where no array shows another kind.

        Raises:
            UnexplainedError: no options explain the arrays.
        """
        spec = shown_kind(shapes)
        if spec is None:
            return cls.of("static")
        options = spec.infer_options(shapes)
        with possible():
            return cls.of(spec.kind, **options)

    @property
    def spec_class(self) -> type[ConvSpec]:
        """What makes the specs of the layers.

        Returns:
            The class of the kind, such as `ODConvSpec`.
        """
        return spec_class(self.kind)

    def __call__(self, **geometry: Any) -> ConvSpec:
        return self.spec_class(**geometry, **dict(self.options))

    def at(self, site: Site, **geometry: Any) -> ConvSpec:
        """The convolution at a place of a backbone; static where the kind leaves it so.

        Returns:
            The spec of the layer.

        Example:
            >>> choice, geometry = ConvChoice.of("od"), {"in_channels": 8, "out_channels": 8}
            >>> choice.at(Site("resnet", "shortcut"), kernel_size=1, **geometry).kind
            'static'
        """
        return self.spec_class.at(site, geometry, dict(self.options))

    def shared(self, site: Site, in_channels: int) -> SharedSpec | None:
        """What the convolutions of a block share, if they do; see `SharedSpec`.

        Returns:
            The spec of the shared layer, None where each convolution has its own.
        """
        return self.spec_class.shared_of_block(site, in_channels, dict(self.options))
