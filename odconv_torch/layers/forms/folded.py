"""The convolution of `single`, with each attention on what is smaller, the map or the kernel.

Fewer operations on maps, for kernels that are all computed: ONNX Runtime takes less time so,
OpenVINO more, which is fast where kernels are constants. Of an unknown size it scales the map.
"""

from __future__ import annotations

import torch

from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.grouped import grouped
from odconv_torch.layers.forms.single import single
from odconv_torch.layers.window import Window


def folded(
    x: torch.Tensor, weight: torch.Tensor, attentions: Attentions, window: Window
) -> torch.Tensor:
    known = not torch.jit.is_tracing() and all(isinstance(size, int) for size in x.shape)
    return (grouped if known else single)(x, weight, attentions, window)
