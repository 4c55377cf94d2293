"""The layer behind the last map."""

from __future__ import annotations

import torch
from torch import nn

from odconv_spec import ConvSpec, LinearSpec
from odconv_torch.layers import build_conv, build_layer

Device = torch.device | str | None


def build_head(
    spec: LinearSpec | ConvSpec | None, device: Device, dtype: torch.dtype | None
) -> nn.Module:
    """The classifier; that of CondConv is a 1x1 convolution that starts as a linear one does.

    None is a network without one, which hands its features on.
    """
    if spec is None:
        return nn.Identity()
    if isinstance(spec, LinearSpec):
        return build_layer(spec, device, dtype)
    conv = build_conv(spec, device, dtype)
    # The fan-out of a classifier is the number of classes: of ten, logits would be huge.
    nn.init.normal_(conv.get_parameter("weight"), std=0.01)
    return conv
