"""The attention of DyConv: a softmax over the kernels, from two layers on the input's mean."""

from __future__ import annotations

import torch

from odconv_spec import DyConvSpec
from odconv_torch.layers.attending import Heads, attended, linear_of
from odconv_torch.layers.build_static import draw_as_convs
from odconv_torch.layers.forms.recording import exports_a_graph
from odconv_torch.layers.pointwise import Pointwise
from odconv_torch.layers.pooling import global_mean
from odconv_torch.layers.temperature import Tempered, softmax
from odconv_torch.layers.watching import are_plain


class DyAttention(Tempered):
    """Global mean, 1x1 convolution, ReLU, 1x1 convolution, softmax over logits / temperature.

    Takes maps (batch, in, *map) and returns (batch, kernel_num), the weights of the kernels.

    Args:
        spec: of the convolution whose kernels are weighed.
        device: where the parameters live.
        dtype: of the parameters.

    Example:
        >>> spec = DyConvSpec(in_channels=16, out_channels=32, kernel_size=3)
        >>> DyAttention(spec)(torch.rand(1, 16, 8, 9))
        tensor([[0.2500, 0.2500, 0.2500, 0.2500]], grad_fn=<SoftmaxBackward0>)
    """

    def __init__(
        self,
        spec: DyConvSpec,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(device, dtype)
        self.spec = spec
        fc1, fc2 = spec.fc1(), spec.fc2()
        draw_as_convs((fc1, fc2), device, dtype)
        self.fc1 = Pointwise(fc1, "published", device, dtype)
        self.fc2 = Pointwise(fc2, spec.head_init, device, dtype)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The weight of each kernel for each sample; a sample's add up to one.

        Args:
            x: (batch, in, *map).

        Returns:
            (batch, kernel_num).
        """
        layers = self.fc1, self.fc2
        plain = are_plain(layers, Pointwise) and not exports_a_graph()
        found = self._compiled(x) if plain and self.native else None
        if found is not None:
            return found
        if plain:
            logits = self.fc2.product(torch.relu(self.fc1.product(global_mean(x).flatten(1))))
        else:
            hidden = torch.relu(self.fc1(global_mean(x)))  # (batch, hidden, *ones)
            logits = self.fc2(hidden).flatten(1)
        return softmax(self._tempered(logits))

    def _compiled(self, x: torch.Tensor) -> torch.Tensor | None:
        """The same in one operation, or None where it is not for this call."""
        first, last = linear_of(self.fc1), linear_of(self.fc2)
        parts = attended(x, first, None, (last,), heads_of(self.spec), self.temperature)
        return None if parts is None else parts[0]


def heads_of(spec: DyConvSpec) -> Heads:
    """Its one head, a softmax over the kernels."""
    count = spec.kernel_num
    return Heads(("fc2",), (count,), (count,))
