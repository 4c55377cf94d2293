"""The one place that chooses a convolution by its spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from odconv_spec import CondConvSpec, ConvSpec, DyConvSpec, LinearSpec, ODConvSpec
from parity_tests.reference.mixtures import condconv, dyconv, route
from parity_tests.reference.odconv import odconv
from parity_tests.reference.scope import Scope
from parity_tests.reference.static import norm, static_conv
from parity_tests.reference.tape import Value

CONVOLUTIONS: Mapping[type[ConvSpec], Callable[[Any, Value, Scope], Value]] = MappingProxyType(
    {ConvSpec: static_conv, ODConvSpec: odconv, DyConvSpec: dyconv, CondConvSpec: condconv}
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


def routed(router: LinearSpec | None, x: Value, at: Scope) -> Scope:
    """The scope of a block whose convolutions share the weights of its router, if it has one."""
    return at if router is None else replace(at, routing=route(router, x, at.under("routing")))
