"""The attention of KernelWarehouse: a linear mixture of cells for each part of a kernel."""

from __future__ import annotations

import paddle
from paddle import ParamAttr, nn
from paddle.nn import functional as F
from paddle.nn.initializer import Constant, KaimingNormal

from odconv_paddle.layers.build_static import build_norm
from odconv_paddle.layers.pooling import global_mean
from odconv_paddle.layers.temperature import Tempered, at_least_float32
from odconv_spec import KWConvSpec, LinearSpec
from odconv_spec.schedule import BLEND

_LEAST_SIZE = 1e-3  # of the weights of a mixture together


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class KWAttention(Tempered):
    """Global mean, two linear layers with a batch norm and a ReLU between, weights of all cells.

    The weights of a mixture may be negative, and their absolute values add up to one. At
    temperature T they give way, by the share T, to the cell that the mixture starts as.

    Takes maps (batch, in, *map) and returns (batch * mixtures, cells).

    Args:
        spec: of the convolution.

    Example:
        >>> spec = KWConvSpec(in_channels=16, out_channels=32, kernel_size=3)
        >>> tuple(KWAttention(spec)(paddle.rand([2, 16, 8, 9])).shape)
        (18, 9)
    """

    annealing = BLEND
    start: paddle.Tensor
    basis_bias: paddle.Tensor | None

    def __init__(self, spec: KWConvSpec) -> None:
        super().__init__()
        # Plain values, because to_static cannot read a dataclass's properties.
        self._cells, self._logits = spec.place.cells, spec.logits
        self._parts = (spec.local_cells, spec.basis, spec.place.start)
        self.fc1 = _linear(spec.fc1())
        self.norm1 = build_norm(spec.norm1(), 1)
        self.fc2 = _linear(spec.fc2())
        fc3 = spec.fc3()
        zeros = ParamAttr(initializer=Constant(0.0))
        self.basis_bias = self.create_parameter([spec.logits], attr=zeros) if fc3 else None
        if fc3:
            self.fc3 = _linear(fc3)
        # It follows from the spec, so that no checkpoint has it.
        cells = paddle.to_tensor(list(spec.start_cells()))
        start = F.one_hot(cells, self._cells + 1)  # (mixtures, cells + 1)
        start = start.astype(paddle.get_default_dtype())
        self.register_buffer("start", start, persistable=False)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        hidden = F.relu(self.norm1(self.fc1(global_mean(x, keepdim=False))))
        logits = self.fc2(hidden) if self.basis_bias is None else self._basis_logits(hidden)
        z = at_least_float32(logits.reshape([-1, self._cells + 1]))
        sizes = z.abs().sum(1, keepdim=True) + _LEAST_SIZE
        weights = self._blended(z / sizes)  # (batch * mixtures, cells and the zero cell)
        return weights[:, : self._cells]

    def _basis_logits(self, hidden: paddle.Tensor) -> paddle.Tensor:
        """The layer's own cells one by one, those of others through a basis, in their order."""
        local, basis, start = self._parts
        found = self.fc2(hidden).reshape([-1, local + basis + 1])
        own, few, zero = found.split([local, basis, 1], axis=1)
        far = self.fc3(few)  # (batch * mixtures, cells of others)
        before, behind = far[:, :start], far[:, start:]
        columns = [part for part in (before, own, behind, zero) if part.shape[1]]
        logits = paddle.concat(columns, axis=1).reshape([-1, self._logits])
        return logits if self.basis_bias is None else logits + self.basis_bias

    def _blended(self, weights: paddle.Tensor) -> paddle.Tensor:
        """The weights, and by the share T the cells that the mixtures start as."""
        temperature = self.temperature.astype(weights.dtype)
        start = self.start.astype(weights.dtype)
        own = (1 - temperature) * weights.reshape([-1, *start.shape])
        return (own + temperature * start).reshape([-1, self._cells + 1])


def _linear(spec: LinearSpec) -> nn.Linear:
    """Kaiming normal over the fan-out, a bias of zeros."""
    # The fan-out as `fan_in`, because with mode="fan_out" Paddle ignores the number.
    normal = ParamAttr(initializer=KaimingNormal(fan_in=spec.out_channels))
    zeros = ParamAttr(initializer=Constant(0.0)) if spec.bias else False
    return nn.Linear(spec.in_channels, spec.out_channels, weight_attr=normal, bias_attr=zeros)
