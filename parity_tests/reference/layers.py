"""The one place that chooses a convolution by its spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from odconv_spec import (
    CGConvSpec,
    CondConvSpec,
    ConvSpec,
    DCDConvSpec,
    DyConvSpec,
    FDConvSpec,
    KWConvSpec,
    ODConvSpec,
    ReduceSpec,
    RoutingSpec,
    SharedSpec,
    WEConvSpec,
    WeightNetConvSpec,
)
from odconv_spec.plugins import row
from parity_tests.reference.cg_conv import cg_conv
from parity_tests.reference.dcd import dcd_conv
from parity_tests.reference.fd_conv import fd_conv
from parity_tests.reference.kernel_warehouse import kernel_warehouse
from parity_tests.reference.mixtures import condconv, dyconv, route
from parity_tests.reference.odconv import odconv
from parity_tests.reference.scope import Scope
from parity_tests.reference.static import norm, static_conv
from parity_tests.reference.tape import Value
from parity_tests.reference.we_conv import weconv
from parity_tests.reference.weight_net import reduced, weight_net_conv

GROUP: Final = "odconv.references"
CONVOLUTIONS: Final[Mapping[type[ConvSpec], Callable[[Any, Value, Scope], Value]]] = {
    ConvSpec: static_conv,
    ODConvSpec: odconv,
    DyConvSpec: dyconv,
    CondConvSpec: condconv,
    CGConvSpec: cg_conv,
    DCDConvSpec: dcd_conv,
    FDConvSpec: fd_conv,
    WEConvSpec: weconv,
    KWConvSpec: kernel_warehouse,
    WeightNetConvSpec: weight_net_conv,
}
SHARED: Final[Mapping[type[SharedSpec], Callable[[Any, Value, Scope], Value]]] = {
    RoutingSpec: route,
    ReduceSpec: reduced,
}


def apply_conv(spec: ConvSpec, x: Value, at: Scope) -> Value:
    """The convolution that `spec` describes, with the arrays of the scope.

    Raises:
        ValueError: there is no reference for its kind.
    """
    function = CONVOLUTIONS.get(type(spec)) or row(GROUP, {}, spec.kind)
    return function(spec, x, at)


def conv_norm(spec: ConvSpec, x: Value, at: Scope, names: tuple[str, str]) -> Value:
    """A convolution and the normalisation of its output, found under their two names."""
    conv, normalisation = names
    return norm(apply_conv(spec, x, at.under(conv)), at.under(normalisation))


def with_shared(spec: SharedSpec | None, x: Value, at: Scope) -> Scope:
    """The scope of a block, with what its convolutions share, computed from the block's input."""
    if spec is None:
        return at
    return replace(at, shared=SHARED[type(spec)](spec, x, at.under(spec.name)))
