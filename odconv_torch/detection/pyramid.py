"""A body and the feature pyramid on it."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from odconv_torch.models import Features
from odconv_torch.tools import freeze_norms


class PyramidBody(nn.Module):
    """What torchvision's detectors take as their backbone.

    Args:
        body: gives the maps.
        out_channels: of all maps of the pyramid.

    Attributes:
        body: see above.
        fpn: a `torchvision.ops.FeaturePyramidNetwork`.
        strides: of the maps that it gives, of which the last is every second pixel of the one
            before.

    Example:
        >>> from odconv_torch import create_model
        >>> body = PyramidBody(create_model("od_resnet18", features_only=True), out_channels=16)
        >>> [tuple(y.shape) for y in body(torch.rand(1, 3, 64, 96)).values()][:2], body.strides
        ([(1, 16, 16, 24), (1, 16, 8, 12)], (4, 8, 16, 32, 64))
    """

    def __init__(self, body: Features, out_channels: int = 256) -> None:
        super().__init__()
        infos = body.feature_info
        self.body = body
        self.fpn = FeaturePyramidNetwork(
            [info.channels for info in infos], out_channels, LastLevelMaxPool()
        )
        self.out_channels = out_channels
        self.strides = (*(info.stride for info in infos), 2 * infos[-1].stride)

    def forward(self, x: torch.Tensor) -> OrderedDict[str, torch.Tensor]:
        """ "0", "1", ... and "pool" -> map (batch, out_channels, height / stride, width / stride).

        Args:
            x: images (batch, in_channels, height, width).

        Returns:
            The maps from the finest to the coarsest.
        """
        return self.fpn(OrderedDict((str(i), y) for i, y in enumerate(self.body(x))))


def keep_as_published(body: Features, frozen_stages: int | None, norm_eval: bool) -> None:
    """Freezes what the published detectors freeze in training, and keeps it so.

    Args:
        body: whose norms those of attentions are, too.
        frozen_stages: the last stage that does not train, see `Features.freeze_stages`.
        norm_eval: keeps the statistics of all batch norms, whose scale and shift still train.

    Raises:
        ValueError: the body has no such stage.
    """
    body.freeze_stages(frozen_stages)
    if norm_eval:
        freeze_norms(body)
