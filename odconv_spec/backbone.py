"""What the backbones have in common: options, parameters, and their form as JSON text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from math import prod
from typing import Any, ClassVar, Final, TypeAlias, TypeVar

from odconv_spec.backbone_evidence import classes_of, fits, stem_sign
from odconv_spec.block import BlockSpec
from odconv_spec.choice import ConvChoice
from odconv_spec.conv import ConvSpec
from odconv_spec.dynamic import DynamicConvSpec
from odconv_spec.evidence import Shapes, dimension, possible
from odconv_spec.feature_maps import FeatureInfo
from odconv_spec.geometry import one_of, real, whole
from odconv_spec.linear import LinearSpec
from odconv_spec.parameters import Parameter, under
from odconv_spec.recalibration import RecalibrationSpec
from odconv_spec.recalibrations import RecalibrationChoice
from odconv_spec.shared import SharedSpec
from odconv_spec.site import Site
from odconv_spec.warehouse import MANAGER, WarehouseManagerSpec

Size: TypeAlias = tuple[int, ...]
Mapped: TypeAlias = "ConvSpec | LinearSpec | RecalibrationSpec | SharedSpec"
Spec = TypeVar("Spec", bound="BackboneSpec")

MOST_DROPOUT = 0.99
POOLS: Final = ("avg", "max", "")  # timm's words; "" keeps the map


@dataclass(frozen=True, kw_only=True)
class BackboneSpec:
    """Options of every backbone. `conv` is the convolution of the blocks.

    Without classes, `num_classes=0`, there is no head, and the network gives features: those that
    `global_pool` makes of the last map, its mean ("avg") or its maximum ("max") over space, or the
    map itself ("").

    The class says, too, by which arrays a file shows its networks, and makes itself from them.

    Raises:
        ValueError: an option is out of range.

    Example:
        >>> spec = model_spec("od_resnet18", num_classes=10)
        >>> isinstance(spec, BackboneSpec), spec.family, spec.num_features, spec.head
        (True, 'resnet', 512, LinearSpec(in_channels=512, out_channels=10, bias=True))
        >>> spec.trainable_count()
        11436074
    """

    family: ClassVar[str]
    title: ClassVar[str]
    """What messages call the family."""
    published: ClassVar[Mapping[str, Mapping[str, Any]]]
    """Name of each published network -> the options that make it, without a kind's prefix."""
    stem_path: ClassVar[str]
    """The first convolution, which reads the image."""
    head_path: ClassVar[str]
    """The classifier."""
    sign: ClassVar[str]
    """An array that every network of the family has, and those of no other."""
    shown_by: ClassVar[Mapping[str, str]] = {}
    """Option -> the layer whose weight shows it, beside those that every backbone has."""
    untold: ClassVar[tuple[str, ...]] = ()
    """Options that no array shows, so that whoever opens a file may give them."""
    recalibrates: ClassVar[bool] = False
    """Whether its blocks may have a layer that scales the map before it meets the shortcut."""
    unrouted: ClassVar[frozenset[str]] = frozenset()
    """Parts of a block that its router does not serve."""

    conv: ConvChoice = field(default_factory=lambda: ConvChoice.of("static"))
    num_classes: int = 1000
    in_channels: int = 3
    dropout: float = 0.0
    global_pool: str = "avg"
    recalibration: RecalibrationChoice | None = None

    def __post_init__(self) -> None:
        if self.recalibration and not self.recalibrates:
            raise ValueError(
                f"recalibration: expected None in a {self.title}, for which none is published "
                f"here, received {self.recalibration.kind!r}"
            )
        whole("num_classes", self.num_classes, 0)
        one_of("global_pool", self.global_pool, POOLS)
        if self.num_classes and not self.global_pool:
            raise ValueError(
                "global_pool: expected 'avg' or 'max' for a classifier, received ''; the last map "
                f"needs num_classes=0 beside it, received {self.num_classes}"
            )
        whole("in_channels", self.in_channels, 1)
        if self.dropout != 0:
            real("dropout", self.dropout, 0, MOST_DROPOUT)

    @property
    def name(self) -> str:
        """The model's name, such as "od_resnet18"; one of options of its own ends in "custom".

        Returns:
            The name that `odconv_spec.model_spec` knows it by, or one that ends in "custom".
        """
        common = {field.name for field in fields(BackboneSpec)}
        own = {f.name: f.default for f in fields(self) if f.name not in common}
        for name, options in self.published_with(self.conv.kind).items():
            if all(getattr(self, key) == value for key, value in {**own, **options}.items()):
                return self._prefixed(name)
        return self._prefixed(f"{self.family}_custom")

    @property
    def head(self) -> LinearSpec | ConvSpec | None:
        """The classifier, which some kinds make a 1x1 convolution of the pooled map, if any.

        Returns:
            The spec of the layer, None without classes.
        """
        if self.num_classes == 0:
            return None
        return self._classifier(self.conv, self.num_features, self.num_classes)

    @property
    def num_features(self) -> int:
        """Channels of the last map.

        Returns:
            A number of channels, which is the width of the features.
        """
        raise NotImplementedError

    @classmethod
    def published_with(cls, kind: str) -> Mapping[str, Mapping[str, Any]]:
        """The networks that have a name with convolutions of a kind, as in `published`.

        Returns:
            Name without the kind's prefix -> options.
        """
        return cls.published

    def feature_info(self) -> tuple[FeatureInfo, ...]:
        """The last map of each stride, 2 to 32, as detectors take them.

        Returns:
            Name, channels and stride of each map, the largest map first.
        """
        raise NotImplementedError

    def further_maps(self) -> tuple[FeatureInfo, ...]:
        """Maps behind those of `feature_info`, whose places follow; a body gives them if asked.

        Returns:
            Name, channels and stride of each; none by default.
        """
        return ()

    def blocks(self) -> Iterator[BlockSpec]:
        """The blocks in the order in which a map passes them.

        Returns:
            The spec of each block.
        """
        raise NotImplementedError

    @property
    def warehouses(self) -> WarehouseManagerSpec | None:
        """The cells that convolutions of the whole network share, if they do.

        Returns:
            The spec of all warehouses, None where nothing is shared.
        """
        return None

    def warehouse_parameters(self) -> tuple[Parameter, ...]:
        """The arrays of `warehouses`, which open `parameters()`.

        Returns:
            The arrays of the cells, named as the network names them; none without warehouses.
        """
        return under(MANAGER, self.warehouses.parameters()) if self.warehouses else ()

    def maps(self, size: tuple[int, ...]) -> Iterator[tuple[Mapped, Size]]:
        """Every convolution, layer of a block, and head, with the size of the map it sees.

        Args:
            size: of the image, (height, width).

        Returns:
            Pairs of a layer's spec and the size of its input's map, (height, width).
        """
        raise NotImplementedError

    def parameters(self) -> tuple[Parameter, ...]:
        """Every stored array in the order of the official state dict.

        Returns:
            Name, role and shape of each array.
        """
        raise NotImplementedError

    def head_parameters(self) -> tuple[Parameter, ...]:
        """The arrays of the classifier, which close `parameters()`; none without a head.

        Returns:
            Name, role and shape of each array.
        """
        return under(self.head_path, self.head.parameters()) if self.head else ()

    def trainable_count(self) -> int:
        """Number of trainable scalars.

        Returns:
            The sum over all arrays but running statistics and indices.
        """
        return sum(prod(p.shape) for p in self.parameters() if p.role.trainable)

    def to_dict(self) -> dict[str, Any]:
        """Plain values that `odconv_spec.from_dict` turns back into this spec.

        Returns:
            Option -> value of numbers, text, lists and dicts, which JSON can hold.
        """
        choices = ("conv", "recalibration")
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in choices}
        if self.recalibration:  # left out where there is none, for the same reason
            own["recalibration"] = self.recalibration.kind
            own["recalibration_options"] = dict(self.recalibration.options)
        if self.global_pool == "avg":  # left out, as in what earlier versions wrote
            del own["global_pool"]
        conv = {"conv": self.conv.kind, "conv_options": dict(self.conv.options)}
        return {"family": self.family, **conv, **own}

    @classmethod
    def from_arrays(cls: type[Spec], shapes: Shapes, **untold: Any) -> Spec:
        """The spec of the network that has these arrays.

        Args:
            shapes: canonical name -> canonical shape.
            **untold: options that no array shows, where they are known.

        Returns:
            The spec, whose arrays have exactly these names and shapes.

        Raises:
            UnexplainedError: no network of the family has such arrays.

        Example:
            >>> spec = ResNetSpec(stages=((8, 2), (12, 1)), stem_channels=8)
            >>> shapes = {parameter.name: parameter.shape for parameter in spec.parameters()}
            >>> ResNetSpec.from_arrays(shapes) == spec
            True
        """
        raise NotImplementedError

    @classmethod
    def evidence(cls, option: str, shapes: Shapes) -> str:
        """The array that shows the value of an option of the backbone, with its shape, as text.

        Returns:
            Such as "fc.weight (10, 512)"; "" where no array shows the option.
        """
        layers = {"num_classes": cls.head_path, **cls.shown_by}
        stem = stem_sign(cls.stem_path, shapes)
        array = stem if option == "in_channels" else f"{layers.get(option)}.weight"
        return f"{array} {shapes[array]}" if array in shapes else ""

    @classmethod
    def recalibration_defaults(cls, kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Defaults of the layers that scale maps, where they are not those of the kind.

        Args:
            kind: of the layers.
            options: of the backbone.

        Returns:
            Option -> default, of those that differ.
        """
        return {}

    def spare_layers(self) -> tuple[str, ...]:
        """Paths of layers behind the last map of `feature_info`, which a body may lack.

        Returns:
            The paths, none by default.
        """
        return ()

    @classmethod
    def _infer_common(cls, shapes: Shapes) -> dict[str, Any]:
        """The options of every backbone."""
        conv = ConvChoice.from_arrays(shapes)
        in_channels = dimension(shapes, stem_sign(cls.stem_path, shapes), 1)
        kernel = cls._classifier(conv, 1, 1).parameters()[0]
        classes = classes_of(cls.head_path, kernel, shapes)
        common = {"conv": conv, "in_channels": in_channels, "num_classes": classes}
        return {**common, "recalibration": RecalibrationChoice.from_arrays(shapes)}

    @classmethod
    def _classifier(
        cls, conv: ConvChoice, in_channels: int, out_channels: int
    ) -> LinearSpec | ConvSpec:
        site = Site(cls.family, "head")
        return conv.spec_class.classifier(site, in_channels, out_channels, dict(conv.options))

    @classmethod
    def _of_arrays(cls: type[Spec], shapes: Shapes, **options: Any) -> Spec:
        """The network with these options that has the arrays.

        Where a kind has several candidates for the options of its convolutions, the first counts
        that gives arrays of these shapes.
        """
        given = {**cls._infer_common(shapes), **options}
        with possible():
            spec = cls(**given)
        kind = spec.conv.spec_class
        found = kind.candidates(shapes) if issubclass(kind, DynamicConvSpec) else ()
        convs = (ConvChoice.of(kind.kind, **chosen) for chosen in found)
        others = (replace(spec, conv=conv) for conv in convs)
        return next((other for other in others if fits(other, shapes)), spec)

    def _prefixed(self, name: str) -> str:
        name = name if self.conv.kind == "static" else f"{self.conv.kind}_{name}"
        return f"{self.recalibration.kind}_{name}" if self.recalibration else name
