"""PyTorch in inference mode."""

from __future__ import annotations

from collections.abc import Callable

import torch

from odconv_spec import ConvSpec
from odconv_torch.layers import build_conv


def forward(spec: ConvSpec, batch: int, size: int) -> Callable[[], object]:
    layer = build_conv(spec).eval()
    x = torch.rand(batch, spec.in_channels, size, size)

    def run() -> object:
        with torch.inference_mode():
            return layer(x)

    return run
