"""What the convolutions of a block share, as a layer of the block."""

from __future__ import annotations

import paddle
from paddle import nn

from odconv_paddle.layers import build_shared
from odconv_spec import SharedSpec


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class ConvNorm(nn.Sequential):
    """A convolution and a batch norm; what a block shares goes to the convolution."""

    def forward(self, x: paddle.Tensor, *shared: paddle.Tensor) -> paddle.Tensor:
        conv, norm = self
        return norm(conv(x, *shared))


def add_shared(block: nn.Layer, spec: SharedSpec | None) -> str:
    """Adds what the convolutions of a block share, and gives its name; "" where there is none."""
    if spec is None:
        return ""
    block.add_sublayer(spec.name, build_shared(spec))
    return spec.name


def shared_by(block: nn.Layer, name: str, x: paddle.Tensor) -> tuple[paddle.Tensor, ...]:
    """What each convolution of a block takes beside its input, from the input of the block."""
    return (getattr(block, name)(x),) if name else ()
