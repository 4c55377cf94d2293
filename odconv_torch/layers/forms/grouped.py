"""The samples as groups of one convolution.

Side by side, as channels, all samples pass through one convolution of batch * groups groups. This
is what the published code does with its kernels. It is one call, which suits depthwise layers and
accelerators; the number of groups, and with it the batch size, is a constant of a recorded graph
(https://github.com/pytorch/pytorch/issues/114354).
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from odconv_torch.layers.attentions import Attentions
from odconv_torch.layers.forms.scaled import scaled, times
from odconv_torch.layers.window import Window

CONVS = (F.conv1d, F.conv2d, F.conv3d)  # by rank - 1


def grouped(
    x: torch.Tensor, weight: torch.Tensor, attentions: Attentions, window: Window
) -> torch.Tensor:
    x, kernels, after = scaled(x, weight, attentions, window)
    y = conv_in_groups(x, kernels, window)
    return times(y, after)


def conv_in_groups(x: torch.Tensor, kernels: torch.Tensor, window: Window) -> torch.Tensor:
    """x (batch, in, *map) with kernels (batch, out, in // groups, *kernel)."""
    x, window = window.symmetric(x)
    if x.shape[0] == 1:  # an ordinary convolution, without views that a graph would keep
        options = (window.stride, window.sides, window.dilation, window.groups)
        return CONVS[x.dim() - 3](x, kernels.flatten(0, 1), None, *options)
    y = CONVS[x.dim() - 3](
        x.reshape(1, -1, *x.shape[2:]),  # `reshape`, because x may be channels_last
        kernels.flatten(0, 1),
        None,
        window.stride,
        window.sides,
        window.dilation,
        window.groups * x.shape[0],
    )  # (1, batch * out, *map)
    return y.reshape(x.shape[0], -1, *y.shape[2:])


def gradients_in_groups(
    grad: torch.Tensor,
    x: torch.Tensor,
    kernels: torch.Tensor,
    window: Window,
    wanted: tuple[bool, bool] = (True, True),
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Those of `conv_in_groups` to x and to the kernels, for a window that is symmetric."""
    to_x, to_kernels, _ = torch.ops.aten.convolution_backward(
        grad.reshape(1, -1, *grad.shape[2:]),
        x.reshape(1, -1, *x.shape[2:]),
        kernels.flatten(0, 1),
        *(None, window.stride, window.sides, window.dilation),
        *(False, (0,) * len(window.stride), window.groups * x.shape[0], (*wanted, False)),
    )
    return (
        to_x.reshape(x.shape) if wanted[0] else None,
        to_kernels.reshape(kernels.shape) if wanted[1] else None,
    )
