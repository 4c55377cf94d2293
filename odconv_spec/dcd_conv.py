"""Dynamic channel fusion, https://arxiv.org/abs/2103.08756."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from typing import Any, ClassVar

from odconv_spec import dcd_evidence
from odconv_spec.conv import ConvSpec
from odconv_spec.dcd_evidence import FORMS, LEAST_SQUEEZE, paths
from odconv_spec.dcd_linear import FUSION, DCDLinearSpec, fusion_layers
from odconv_spec.dynamic import DynamicConvSpec
from odconv_spec.evidence import Shapes
from odconv_spec.geometry import one_of, whole
from odconv_spec.kernel_bank import HEAD_INITS
from odconv_spec.linear import LinearSpec
from odconv_spec.norm import NormSpec
from odconv_spec.parameters import Parameter, under
from odconv_spec.site import Site

_LEAST_DIM = 4


@dataclass(frozen=True, kw_only=True)
class DCDConvSpec(DynamicConvSpec):
    """Dynamic channel fusion, https://arxiv.org/abs/2103.08756.

    A static convolution whose output is scaled, and beside it a product of low rank: Q to `dim`
    channels, a matrix phi of each sample that fuses them, and P to the channels of the output. Q
    sees the position that the centre of the kernel sees.

    `form` is the block for which the layer was published, and says how `dim` and the hidden width
    `squeeze` follow from the channels: "basic" and "bottleneck" of ResNets, "inverted" of
    MobileNetV2. The larger `fc_squeeze`, the narrower the hidden layer.

    `head_init` says how P and the layer of the scale start: at "zero", so that the whole is its
    static convolution, or as "published".

    Raises:
        ValueError: besides what every convolution raises, an unknown form, or a hidden layer
        without width.

    Example:
        >>> spec = DCDConvSpec(in_channels=64, out_channels=96, kernel_size=3, padding=1)
        >>> spec.dim, spec.squeeze, len(spec.parameters())
        (16, 16, 15)
    """

    kind: ClassVar[str] = "dcd"
    parts: ClassVar[frozenset[str]] = frozenset({"block"})
    families: ClassVar[frozenset[str] | None] = frozenset({"resnet", "mobilenetv2"})
    placed: ClassVar[frozenset[str]] = frozenset({"form"})
    sign: ClassVar[str] = dcd_evidence.PHI
    linear: ClassVar[tuple[str, ...]] = (*FUSION, "cls", "cls_q", "cls_p")
    shown_by: ClassVar[Mapping[str, str]] = {"fc_squeeze": dcd_evidence.SQUEEZE}

    form: str = "basic"
    fc_squeeze: int = 16
    head_init: str = "published"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("form", self.form, FORMS)
        self._normal("fc_squeeze", whole("fc_squeeze", self.fc_squeeze, 1))
        one_of("head_init", self.head_init, HEAD_INITS)
        if self.squeeze < 1:
            raise ValueError(
                f"in_channels: expected at least {self.fc_squeeze} for form='bottleneck', whose "
                f"hidden width is in_channels // fc_squeeze, received {self.in_channels}; the "
                f"nearest is in_channels={self.fc_squeeze}, or fc_squeeze={self.in_channels}"
            )

    @property
    def pool(self) -> int:
        """Means over the map along each axis, which the hidden layer reads.

        Returns:
            2 or 1.
        """
        wide = self.form == "inverted" and self.in_channels < self.out_channels
        return 2 if wide or self.form == "basic" else 1

    @property
    def pooled(self) -> int:
        """What the hidden layer reads: `pool` means along each axis, of each channel.

        Returns:
            A number of inputs.
        """
        means: int = self.pool**self.rank
        return self.in_channels * means

    @property
    def dim(self) -> int:
        """Channels between Q and P.

        Returns:
            A number of channels.
        """
        if self.form != "inverted":
            return isqrt(self.pooled)
        reduction = 2 * self.pooled // self.in_channels
        while (dim := min(self.pooled, self.out_channels) // reduction) ** 2 > 2 * self.pooled:
            reduction *= 2
        return max(dim, _LEAST_DIM)

    @property
    def squeeze(self) -> int:
        """Hidden width of what computes phi and the scale.

        Returns:
            A number of hidden units.
        """
        width = max(self.pooled, self.dim**2) // self.fc_squeeze
        return width if self.form == "bottleneck" else max(width, LEAST_SQUEEZE)

    @property
    def beside_centre(self) -> tuple[tuple[int, int], ...]:
        """How far the kernel reaches (before, after) its centre along each axis.

        Returns:
            A pair of positions for each axis, dilation included.
        """
        axes = zip(self.kernel, self.dilations, strict=True)
        return tuple(((taps - 1) // 2 * reach, taps // 2 * reach) for taps, reach in axes)

    @property
    def centred(self) -> bool:
        """Whether the padding is such that Q sees the map itself, in steps of the strides.

        Returns:
            True where the padding equals `beside_centre`.
        """
        return self.padding == self.beside_centre

    @property
    def q_path(self) -> str:
        """Name of Q in the published code, which depends on the form.

        Returns:
            Path of the layer.
        """
        return paths(self.form)[0]

    @property
    def p_path(self) -> str:
        """Name of P in the published code, which depends on the form.

        Returns:
            Path of the layer.
        """
        return paths(self.form)[1]

    def conv(self) -> ConvSpec:
        """The static convolution.

        Returns:
            Its spec, without a bias: P has it.
        """
        return ConvSpec(
            in_channels=self.in_channels,
            out_channels=self.out_channels,
            kernel_size=self.kernel,
            stride=self.strides,
            padding=self.padding,
            dilation=self.dilations,
            groups=self.groups,
            rank=self.rank,
        )

    def q(self) -> ConvSpec:
        """Q, a 1x1 convolution with the strides of the layer.

        Returns:
            Its spec, from the channels of the input to `dim`.
        """
        return ConvSpec(
            in_channels=self.in_channels,
            out_channels=self.dim,
            kernel_size=1,
            stride=self.strides,
            rank=self.rank,
        )

    def p(self) -> ConvSpec:
        """P, a 1x1 convolution, with the layer's bias if there is one: the scale does not reach it
        there.

        Returns:
            Its spec, from `dim` to the channels of the output.
        """
        return self._pointwise(self.dim, self.out_channels, self.bias)

    def fusion(self) -> dict[str, LinearSpec]:
        """Path -> each layer of what computes phi and the scale.

        Returns:
            The linear layers in the order of their arrays.
        """
        return fusion_layers(self.pooled, self.squeeze, self.dim, self.out_channels)

    def own_parameters(self) -> tuple[Parameter, ...]:
        return ()

    def attention_parameters(self) -> tuple[Parameter, ...]:
        first = under("conv", self.conv().parameters()) + under(self.q_path, self.q().parameters())
        second = under(self.p_path, self.p().parameters())
        for norm in ("bn1", "bn2"):
            second += under(norm, NormSpec(self.dim).parameters())
        fusion: tuple[Parameter, ...] = ()
        for path, linear in self.fusion().items():
            fusion += under(path, linear.parameters())
        parts = (fusion, second) if self.form == "inverted" else (second, fusion)
        return (*first, *parts[0], *parts[1])

    def mixing_multiply_adds(self, inputs: int, outputs: int) -> int:
        weighing = self.in_channels * inputs
        weighing += sum(s.in_channels * s.out_channels for s in self.fusion().values())
        through = self.dim * (self.in_channels + self.dim + self.out_channels)  # Q, phi, P
        return weighing + outputs * (through + self.out_channels)

    @classmethod
    def takes(cls, site: Site, geometry: Mapping[str, Any]) -> bool:
        """All of a block but what is depthwise, and a MobileNetV2's blocks without an expansion."""
        plain = geometry.get("groups", 1) == 1
        flat = site.block == "inverted" and site.expansion == 1
        return super().takes(site, geometry) and plain and not flat

    @classmethod
    def at(cls, site: Site, geometry: Mapping[str, Any], options: Mapping[str, Any]) -> ConvSpec:
        form = site.block if site.block in FORMS else cls.form
        return super().at(site, geometry, {**options, "form": form})

    @classmethod
    def classifier(
        cls, site: Site, in_channels: int, out_channels: int, options: Mapping[str, Any]
    ) -> DCDLinearSpec:
        return DCDLinearSpec(in_channels, out_channels)

    @classmethod
    def is_lone(cls, shapes: Shapes) -> bool:
        return super().is_lone(shapes) and not DCDLinearSpec.shows(shapes)

    @classmethod
    def infer_options(cls, shapes: Shapes) -> dict[str, Any]:
        return dcd_evidence.options(shapes)

    @classmethod
    def infer_geometry(cls, shapes: Shapes) -> dict[str, Any]:
        return dcd_evidence.geometry(shapes)
