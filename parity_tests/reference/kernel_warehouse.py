"""KernelWarehouse, https://arxiv.org/abs/2406.07879.

A kernel is cut into parts of a cell's shape. For one sample, each is a linear mixture of all cells
of the warehouse, whose weights add up to one in absolute value, that of a zero cell included:

    part_j = sum over n of  ((1 - T) z_jn / (sum_m |z_jm| + 0.001) + T beta_jn)  cell_n

where beta_j is one at the cell that part j starts as, and zero elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from odconv_spec import KWConvSpec, KWLinearSpec, Parameter, WarehouseManagerSpec, under
from odconv_spec.warehouse import MANAGER
from parity_tests.reference.functional import conv, global_mean, linear, relu
from parity_tests.reference.ops import absolute, columns, side_by_side, transposed
from parity_tests.reference.scope import Scope
from parity_tests.reference.static import add_bias, norm
from parity_tests.reference.tape import Value


@dataclass(frozen=True)
class KWChainSpec:
    """Layers that share warehouses, run one after another, as `layers.0`, `layers.1`, ..."""

    layers: tuple[KWConvSpec, ...]
    warehouses: WarehouseManagerSpec

    @property
    def in_channels(self) -> int:
        return self.layers[0].in_channels

    def parameters(self) -> tuple[Parameter, ...]:
        found = under(MANAGER, self.warehouses.parameters())
        for number, layer in enumerate(self.layers):
            found += under(f"layers.{number}", layer.parameters())
        return found


def kw_chain(spec: KWChainSpec, x: Value, at: Scope) -> Value:
    """The layers one after another; reports the weights of each under its path."""
    for number, layer in enumerate(spec.layers):
        x = kernel_warehouse(layer, x, at.under(f"layers.{number}"))
    at.attentions[""] = {path: table["mixture"] for path, table in at.attentions.items()}
    return x


def kernel_warehouse(spec: KWConvSpec, x: Value, at: Scope) -> Value:
    """(batch, in, *space) to (batch, out, *positions); reports the weights of the cells.

    The cells are those of the network, or of the layer where it shares none.
    """
    number, count, cell, _ = spec.place
    owner = at if spec.stretch is None else at.top()
    cells = owner.under(MANAGER)[f"weights.{number}"].reshape(count, -1)
    weights = mixture_weights(spec, x, at.under("attention"))  # (batch * mixtures, cells)
    at.attentions[at.path] = {"mixture": weights}
    parts = (weights @ cells).reshape(-1, *spec.parts_of(cell), *cell)
    # (batch, out blocks, out, in blocks, in, taps of the parts, *taps of a cell)
    order = (0, 2, 4, 3, 5, 1, *range(6, 6 + spec.rank))
    kernels = transposed(parts, order).reshape(-1, *spec.kernel_shape)
    return add_bias(spec, conv(x, kernels, spec), at)


def kw_linear(spec: KWLinearSpec, x: Value, at: Scope) -> Value:
    """(batch, in) to (batch, out), as a convolution of one position."""
    inside = at.under("conv")
    y = kernel_warehouse(spec.conv, x.reshape(-1, spec.in_channels, 1), inside)
    at.attentions[at.path] = at.attentions.pop(inside.path)
    return y.reshape(-1, spec.out_channels)


def mixture_weights(spec: KWConvSpec, x: Value, at: Scope) -> Value:
    pooled = global_mean(x).reshape(-1, spec.in_channels)
    hidden = relu(norm(pooled @ at.under("fc1")["weight"].T, at.under("norm1")))
    count = spec.place.cells + 1
    z = (basis_logits if spec.basis else logits)(spec, hidden, at).reshape(-1, count)
    sizes = absolute(z).sum((1,), keepdims=True)
    start = np.zeros((spec.mixtures, count))
    start[np.arange(spec.mixtures), spec.start_cells()] = 1
    beta = np.tile(start, (x.shape[0], 1))  # (batch * mixtures, cells + 1)
    weights = z / (sizes + 1e-3) * (1 - at.temperature) + Value(at.temperature * beta)
    return columns(weights, 0, count - 1)  # without the zero cell


def logits(spec: KWConvSpec, hidden: Value, at: Scope) -> Value:
    fc2 = at.under("fc2")
    return linear(hidden, fc2["weight"], fc2["bias"])


def basis_logits(spec: KWConvSpec, hidden: Value, at: Scope) -> Value:
    """The layer's own cells one by one, those of others through a basis, in their order."""
    local, basis, start = spec.local_cells, spec.basis, spec.place.start
    found = (hidden @ at.under("fc2")["weight"].T).reshape(-1, local + basis + 1)
    far = columns(found, local, local + basis) @ at.under("fc3")["weight"].T
    others = far.shape[1]
    ordered = side_by_side(
        [
            columns(far, 0, start),
            columns(found, 0, local),
            columns(far, start, others),
            columns(found, local + basis, local + basis + 1),
        ]
    )
    return ordered.reshape(-1, spec.logits) + at["basis_bias"]
