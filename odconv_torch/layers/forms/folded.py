"""The samples as groups of one convolution, with each attention on what is smaller.

For graphs of a batch that does not change: one operation for a layer, its bias and its activation,
which ONNX Runtime takes in less time than maps that are scaled. Maps with few positions become
patches, as in `compact`: their kernels are larger. Of an unknown size this is `single`.
"""

from __future__ import annotations

import torch

from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.compact import compact, has_few_positions, has_fixed_size
from odconv_torch.layers.forms.grouped import grouped
from odconv_torch.layers.forms.single import single
from odconv_torch.layers.window import Window


def folded(
    x: torch.Tensor, weight: torch.Tensor, attentions: Attentions, window: Window
) -> torch.Tensor:
    if not has_fixed_size(x):
        return single(x, weight, attentions, window)
    own = attentions.one_set_per_kernel(x.dim() - 2)
    form = compact if has_few_positions(x, weight, window) and not own else grouped
    return form(x, weight, attentions, window)
