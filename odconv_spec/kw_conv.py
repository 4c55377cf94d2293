"""KernelWarehouse, https://arxiv.org/abs/2406.07879: kernels put together from shared cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from math import prod
from typing import Any, ClassVar

from odconv_spec import kw_evidence
from odconv_spec.conv import ConvSpec
from odconv_spec.evidence import Shapes, possible
from odconv_spec.kw_attention import KWAttentionSpec
from odconv_spec.kw_configs import DEFAULT, INVERTED, cell_ratio, options_at, warehouse_at
from odconv_spec.kw_evidence import REDUCTION
from odconv_spec.kw_sharing import share_warehouses
from odconv_spec.linear import LinearSpec
from odconv_spec.parameters import Parameter, under
from odconv_spec.site import Site
from odconv_spec.warehouse import LIST, MANAGER, WarehouseManagerSpec


@dataclass(frozen=True, kw_only=True)
class KWConvSpec(KWAttentionSpec):
    """A convolution whose kernel is cut into parts that are linear mixtures of a warehouse's cells.

    The channels of a cell are `cell_outplane_ratio` and `cell_inplane_ratio` times the greatest
    common divisors of those of the layers that share the warehouse; with `spatial_partition` it has
    one tap, otherwise all. The warehouse has `cell_num_ratio` times as many cells as its layers
    have mixtures. With `nonlocal_basis_ratio` below one a layer weighs the cells of others through
    a basis of so many times their number.

    `stretch` is the layer's place in a warehouse that it shares; without one it has a warehouse of
    its own.

    In a backbone `config` is the name of a published configuration, which gives the ratios, and
    `warehouse` the name under which a layer asks for cells.

    Raises:
        ValueError: an option is out of range, a cell does not fit, or mixtures share no cell.

    Example:
        >>> spec = KWConvSpec(in_channels=64, out_channels=64, kernel_size=3)
        >>> spec.mixtures, spec.parameters()[0].shape
        (9, (9, 64, 64, 1, 1))
    """

    kind: ClassVar[str] = "kw"
    parts: ClassVar[frozenset[str]] = frozenset({"block", "shortcut"})
    placed: ClassVar[frozenset[str]] = frozenset({"stretch"})
    families: ClassVar[frozenset[str] | None] = frozenset({"resnet", INVERTED})
    shown_by: ClassVar[Mapping[str, str]] = {"config": f"{MANAGER}.{LIST}.0"}

    config: str = field(default=DEFAULT, metadata={"backbone": True})

    def __post_init__(self) -> None:
        super().__post_init__()
        cell_ratio(self.config)  # raises where there is none of that name

    def check_static_start(self) -> None:
        if self.cell_num_ratio < 1:
            raise ValueError(
                "cell_num_ratio: expected at least 1, so that each part of the kernel has a cell, "
                f"received {self.cell_num_ratio}"
            )

    def parameters(self) -> tuple[Parameter, ...]:
        manager = self.manager
        cells = () if manager is None else under(MANAGER, manager.parameters())
        return (*cells, *super().parameters())

    def mixing_multiply_adds(self, inputs: int, outputs: int) -> int:
        place, fc3 = self.place, self.fc3()
        found = self.weighing_multiply_adds(inputs)
        if fc3:  # which each mixture has
            found += (self.mixtures - 1) * fc3.in_channels * fc3.out_channels
        return found + self.mixtures * place.cells * prod(place.cell)

    @classmethod
    def own_options(cls) -> tuple[Any, ...]:
        return tuple(f for f in super().own_options() if not f.metadata.get("backbone"))

    @classmethod
    def backbone_options(cls) -> dict[str, Any]:
        return {"config": DEFAULT}

    @classmethod
    def takes(cls, site: Site, geometry: Mapping[str, Any]) -> bool:
        """All of a MobileNetV2, those of a ResNet's blocks but for what begins the first stage.

        That is a shortcut, and a bottleneck's first layer.
        """
        if site.family == INVERTED:
            return True
        begins = site.part == "shortcut" or (site.block == "bottleneck" and site.place == 0)
        first = site.stage == site.within == 0
        return super().takes(site, geometry) and not (begins and first)

    @classmethod
    def at(cls, site: Site, geometry: Mapping[str, Any], options: Mapping[str, Any]) -> ConvSpec:
        """

        Raises:
            ValueError: the family has no warehouses of this kind.
        """
        if cls.families and site.family not in cls.families:
            raise ValueError(
                f"conv: expected a kind that a {site.family} is made with, received {cls.kind!r}, "
                f"which has warehouses in {', '.join(sorted(cls.families))} alone"
            )
        given = options_at(options["config"], site)
        if given is None or not cls.takes(site, geometry):
            return ConvSpec(**geometry)
        warehouse = warehouse_at(options["config"], site)
        return cls(**geometry, **{**given, **options}, warehouse=warehouse)

    @classmethod
    def classifier(
        cls, site: Site, in_channels: int, out_channels: int, options: Mapping[str, Any]
    ) -> LinearSpec:
        """A linear layer with cells of its own where a configuration says so, or a static one."""
        given = options_at(options["config"], site)
        if given is None:
            return LinearSpec(in_channels, out_channels)
        return KWLinearSpec(in_channels, out_channels, **given)

    @classmethod
    def sharing(
        cls, convs: Sequence[ConvSpec]
    ) -> tuple[Sequence[ConvSpec], WarehouseManagerSpec | None]:
        layers, manager = share_warehouses([conv for conv in convs if isinstance(conv, cls)])
        rest = iter(layers)
        return [next(rest) if isinstance(conv, cls) else conv for conv in convs], manager

    @classmethod
    def infer_options(cls, shapes: Shapes) -> dict[str, Any]:
        """Of a lone layer; of a network the first of `candidates`."""
        lone = cls.sign in shapes
        return kw_evidence.options(shapes) if lone else next(iter(cls.candidates(shapes)))

    @classmethod
    def candidates(cls, shapes: Shapes) -> Iterator[dict[str, Any]]:
        """Options that a network with these arrays may have, the likeliest first."""
        return ({"config": name} for name in kw_evidence.configs(shapes))

    @classmethod
    def infer_geometry(cls, shapes: Shapes) -> dict[str, Any]:
        return kw_evidence.geometry(shapes)


@dataclass(frozen=True)
class KWLinearSpec(LinearSpec):
    """A linear layer of KernelWarehouse: a convolution of one position, with cells of its own.

    The options are those of `KWConvSpec`.

    Example:
        >>> [parameter.shape for parameter in KWLinearSpec(64, 10).parameters()][:3]
        [(1, 10, 64, 1), (10,), (16, 64)]
    """

    sign: ClassVar[str] = kw_evidence.LINEAR
    """An array that every such layer has, and no other."""

    reduction: float = REDUCTION
    cell_num_ratio: float = 1.0
    cell_inplane_ratio: float = 1.0
    cell_outplane_ratio: float = 1.0

    def __post_init__(self) -> None:
        for name, value in self.conv.options().items():
            if name in self.__dataclass_fields__:
                object.__setattr__(self, name, value)  # in its normal form

    @cached_property
    def conv(self) -> KWConvSpec:
        """The convolution over one axis.

        Returns:
            Its spec, of one tap.
        """
        options = {f.name: getattr(self, f.name) for f in fields(self)}
        return KWConvSpec(kernel_size=1, rank=1, **options)

    def parameters(self) -> tuple[Parameter, ...]:
        """Every stored array.

        Returns:
            Name, role and shape of each array; those of the convolution are below "conv".
        """
        return under("conv", self.conv.parameters())

    def multiply_adds(self, positions: int) -> int:
        """What a sample takes: the mean over the map, the mixing, and each weight once.

        Args:
            positions: of the map.

        Returns:
            A number of multiply-adds.
        """
        weights = self.in_channels * self.out_channels
        return self.conv.mixing_multiply_adds(positions, 1) + weights

    @classmethod
    def shows(cls, shapes: Shapes) -> bool:
        """Whether arrays are those of a lone layer of this kind.

        Returns:
            True where the array `sign` is among them.
        """
        return cls.sign in shapes

    @classmethod
    def from_arrays(cls, shapes: Shapes) -> KWLinearSpec:
        """The spec of the lone layer that has these arrays.

        Returns:
            The spec, whose arrays have exactly these names and shapes.

        Raises:
            UnexplainedError: the arrays contradict each other.
        """
        with possible("layer"):
            return cls(**kw_evidence.linear(shapes))
