"""The one place that chooses a convolution by its spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from odconv_spec import ConvSpec, ODConvSpec
from parity_tests.reference.odconv import odconv
from parity_tests.reference.scope import Scope
from parity_tests.reference.static import norm, static_conv
from parity_tests.reference.tape import Value

CONVOLUTIONS: Mapping[type[ConvSpec], Callable[[Any, Value, Scope], Value]] = MappingProxyType(
    {ConvSpec: static_conv, ODConvSpec: odconv}
)


def apply_conv(spec: ConvSpec, x: Value, at: Scope) -> Value:
    """The convolution that `spec` describes, with the arrays of the scope."""
    if type(spec) not in CONVOLUTIONS:
        known = ", ".join(kind.__name__ for kind in CONVOLUTIONS)
        raise ValueError(f"spec: expected one of {known}, received {type(spec).__name__}")
    return CONVOLUTIONS[type(spec)](spec, x, at)


def conv_norm(spec: ConvSpec, x: Value, at: Scope, names: tuple[str, str]) -> Value:
    """A convolution and the normalisation of its output, found under their two names."""
    conv, normalisation = names
    return norm(apply_conv(spec, x, at.under(conv)), at.under(normalisation))
