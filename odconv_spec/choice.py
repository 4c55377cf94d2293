"""Which convolution a backbone is made of."""

from __future__ import annotations

from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from odconv_spec.cond_conv import CondConvSpec
from odconv_spec.dy_conv import DyConvSpec
from odconv_spec.layers import ConvSpec
from odconv_spec.od_conv import ODConvSpec

KINDS = MappingProxyType(
    {"static": ConvSpec, "od": ODConvSpec, "dy": DyConvSpec, "cond": CondConvSpec}
)
# The backbone, not its user, decides these.
_PLACED = {field.name for field in fields(ConvSpec)} | {"router", "mix_bias"}
# The published backbones are named by their multiple (1x, 4x) and default to one kernel, while the
# published layer alone defaults to four.
_BACKBONE_DEFAULTS = MappingProxyType({"od": {"kernel_num": 1}})


def conv_options(kind: str) -> dict[str, Any]:
    """Every option of `kind` that is not geometry, with its default in a backbone."""
    if kind not in KINDS:
        raise ValueError(f"conv: expected one of {', '.join(map(repr, KINDS))}, received {kind!r}")
    defaults = {f.name: f.default for f in fields(KINDS[kind]) if f.name not in _PLACED}
    return defaults | _BACKBONE_DEFAULTS.get(kind, {})


@dataclass(frozen=True)
class ConvChoice:
    """A kind of convolution with its options; called with a geometry, it gives the layer's spec."""

    kind: str
    options: tuple[tuple[str, Any], ...]

    @classmethod
    def of(cls, kind: str, **options: Any) -> ConvChoice:
        """Raises ValueError for an unknown kind or an option that the kind does not have."""
        known = conv_options(kind)
        unknown = sorted(set(options) - set(known))
        if unknown:
            accepted = ", ".join(sorted(known)) or "none"
            raise ValueError(
                f"a {kind!r} convolution has the options {accepted}; received {unknown}"
            )
        # The layer's spec checks the values and brings them into their normal form.
        probe = KINDS[kind](in_channels=1, out_channels=1, kernel_size=1, **known | options)
        return cls(kind, tuple((name, getattr(probe, name)) for name in sorted(known)))

    def __call__(self, **geometry: Any) -> ConvSpec:
        return KINDS[self.kind](**geometry, **dict(self.options))
