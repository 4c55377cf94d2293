"""The layer behind the last map."""

from __future__ import annotations

from paddle import nn
from paddle.nn.initializer import Normal

from odconv_paddle.layers import build_conv, build_layer
from odconv_spec import ConvSpec, LinearSpec


def build_head(spec: LinearSpec | ConvSpec | None) -> nn.Layer:
    """The classifier; that of CondConv is a 1x1 convolution that starts as a linear one does.

    None is a network without one, which hands its features on.
    """
    if spec is None:
        return nn.Identity()
    if isinstance(spec, LinearSpec):
        return build_layer(spec)
    # The fan-out of a classifier is the number of classes: of ten, logits would be huge.
    return build_conv(spec, Normal(0.0, 0.01))
