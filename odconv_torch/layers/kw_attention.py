"""The attention of KernelWarehouse: a linear mixture of cells for each part of a kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn
from torch.nn import functional as F

from odconv_spec import KWConvSpec, LinearSpec
from odconv_spec.schedule import BLEND
from odconv_torch.layers.build_static import build_norm
from odconv_torch.layers.pooling import global_mean
from odconv_torch.layers.temperature import Tempered

Module = TypeVar("Module", bound="KWAttention")
_LEAST_SIZE = 1e-3  # of the weights of a mixture together


class KWAttention(Tempered):
    """Global mean, two linear layers with a batch norm and a ReLU between, weights of all cells.

    The weights of a mixture may be negative, and their absolute values add up to one. At
    temperature T they give way, by the share T, to the cell that the mixture starts as.

    Takes maps (batch, in, *map) and returns (batch * mixtures, cells).

    Args:
        spec: of the convolution.
        device: where the parameters live.
        dtype: of the parameters.

    Example:
        >>> spec = KWConvSpec(in_channels=16, out_channels=32, kernel_size=3)
        >>> KWAttention(spec)(torch.rand(2, 16, 8, 9)).shape
        torch.Size([18, 9])
    """

    annealing = BLEND
    start: torch.Tensor

    def __init__(
        self,
        spec: KWConvSpec,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(device, dtype)
        self.spec = spec
        self.register_parameter("basis_bias", None)
        self.fc1 = _linear(spec.fc1(), device, dtype)
        self.norm1 = build_norm(spec.norm1(), 1, device, dtype)
        self.fc2 = _linear(spec.fc2(), device, dtype)
        fc3 = spec.fc3()
        if fc3:
            self.fc3 = _linear(fc3, device, dtype)
            self.basis_bias = nn.Parameter(torch.empty(spec.logits, device=device, dtype=dtype))
        self.reset_parameters()
        self._place()
        # It follows from the spec, so that no checkpoint has it.
        self.register_buffer("start", self._started(self.temperature), persistent=False)

    def reset_parameters(self) -> None:
        """The temperature, and the bias of the mixtures; the layers inside start themselves."""
        super().reset_parameters()
        if self.basis_bias is not None:
            nn.init.zeros_(self.basis_bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.norm1(self.fc1(global_mean(x).flatten(1))))
        logits = self._basis_logits(hidden) if self.basis_bias is not None else self.fc2(hidden)
        z = logits.reshape(-1, self._cells + 1)  # (batch * mixtures, cells and the zero cell)
        # Sums of hundreds of weights, in float32 where these have less.
        dtype = torch.promote_types(z.dtype, torch.float32)
        sizes = z.abs().sum(1, keepdim=True, dtype=dtype) + _LEAST_SIZE
        return self._blended(z / sizes)[:, :-1]

    def _basis_logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """The layer's own cells one by one, those of others through a basis, in their order."""
        local, basis, start = self._parts
        own, few, zero = self.fc2(hidden).reshape(-1, local + basis + 1).split((local, basis, 1), 1)
        far = self.fc3(few)  # (batch * mixtures, cells of others)
        columns = torch.cat([far[:, :start], own, far[:, start:], zero], dim=1)
        return columns.reshape(-1, self.basis_bias.numel()) + self.basis_bias

    def _blended(self, weights: torch.Tensor) -> torch.Tensor:
        """The weights, and by the share T the cells that the mixtures start as."""
        temperature = self.temperature
        if temperature.is_meta:  # others moved it there; it is zero
            return weights
        cells = weights.shape[1]
        own = (1 - temperature) * weights.reshape(-1, self.start.shape[0], cells)
        # On the meta device the start stayed on the CPU, too.
        start = self.start.to(weights.device)
        return (own + temperature * start).reshape(-1, cells)

    def _place(self) -> None:
        """Plain numbers of the spec, whose properties compute."""
        spec = self.spec
        self._cells = spec.place.cells
        self._parts = (spec.local_cells, spec.basis, spec.place.start)

    def _started(self, like: torch.Tensor) -> torch.Tensor:
        """(mixtures, cells + 1): one at the cell that a mixture starts as."""
        cells = torch.tensor(self.spec.start_cells(), device="cpu")
        start = F.one_hot(cells, self._cells + 1)
        return start.to(like.device, like.dtype)

    def _apply(self: Module, fn: Callable[..., torch.Tensor], recurse: bool = True) -> Module:
        """What `to`, `half` and `to_empty` do, which would leave garbage in what follows."""
        super()._apply(fn, recurse)
        if type(self.start) is torch.Tensor:  # others, such as fake ones, have no values
            self.start = self._started(self.start)
        return self


def _linear(
    spec: LinearSpec, device: torch.device | str | None, dtype: torch.dtype | None
) -> nn.Linear:
    """Kaiming normal over the fan-out, a bias of zeros."""
    linear = nn.Linear(spec.in_channels, spec.out_channels, spec.bias, device, dtype)
    if not linear.weight.is_meta:
        nn.init.kaiming_normal_(linear.weight, mode="fan_out", nonlinearity="relu")
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)
    return linear
