"""PaddlePaddle in dynamic graph mode, without gradients."""

from __future__ import annotations

from collections.abc import Callable

import paddle

from odconv_paddle.layers import build_conv
from odconv_spec import ConvSpec


def forward(spec: ConvSpec, batch: int, size: int) -> Callable[[], object]:
    layer = build_conv(spec)
    layer.eval()
    x = paddle.rand([batch, spec.in_channels, size, size])

    def run() -> object:
        with paddle.no_grad():
            return layer(x).numpy()

    return run
