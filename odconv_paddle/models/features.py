"""A backbone as the body of a detector."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import paddle
from paddle import nn

from odconv_paddle.layers import set_temperature
from odconv_paddle.models.backbone import Backbone, Step, stage_maps, sublayer
from odconv_spec.feature_maps import OutIndices, feature_indices


class Features(nn.Layer):
    """The maps of a backbone at chosen strides, from the finest to the coarsest.

    Takes images (batch, in_channels, height, width) and returns a list of maps (batch, channels,
    height / stride, width / stride), sizes rounded up.

    The layers are those of `backbone`, under the same names, so that its checkpoints fit; layers
    after the last chosen map are left out. The backbone itself is left as it is.

    Args:
        backbone: a network of `create_model`.
        out_indices: as in timm, a number n for the last n maps of `backbone.feature_info`, or which
            of them, where negative numbers count from the end. By default all but the first, those
            of strides 4 to 32. The order does not matter.

    Attributes:
        feature_info: name, channels and stride of each map.
        out_indices: the chosen numbers, from 0.

    Raises:
        ValueError: no map is chosen, or one that does not exist.

    Example:
        >>> body = Features(create_model("od_resnet18"), out_indices=3)
        >>> [info.channels for info in body.feature_info]
        [128, 256, 512]
        >>> [tuple(y.shape) for y in body(paddle.rand([1, 3, 64, 96]))]
        [(1, 128, 8, 12), (1, 256, 4, 6), (1, 512, 2, 3)]
    """

    def __init__(self, backbone: Backbone, out_indices: OutIndices = None) -> None:
        super().__init__()
        self.out_indices = feature_indices(backbone.feature_info, out_indices, first=1)
        self.feature_info = tuple(backbone.feature_info[index] for index in self.out_indices)
        self.steps = _needed(backbone.steps, max(self.out_indices))
        for path, _ in self.steps:
            _adopt(self, path, sublayer(backbone, path))

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        """The maps of images (batch, in_channels, height, width), as `feature_info` has them."""
        return stage_maps(self, self.steps, x, self.out_indices)

    def set_temperature(self, temperature: float) -> None:
        """Sets the temperature of all dynamic convolutions; ValueError if it is not positive."""
        set_temperature(self, temperature)


def _needed(steps: Sequence[Step], last: int) -> tuple[Step, ...]:
    """The steps up to that of stage `last`."""
    before = accumulate((is_stage for _, is_stage in steps), initial=0)  # stages before each step
    return tuple(step for step, done in zip(steps, before, strict=False) if done <= last)


def _adopt(layer: nn.Layer, path: Sequence[str], child: nn.Layer) -> None:
    """Gives `layer` the child at `path`, in a sequence where the path has several names."""
    *owners, name = path
    for owner in owners:
        if owner not in layer._sub_layers:
            layer.add_sublayer(owner, nn.Sequential())
        layer = layer._sub_layers[owner]
    layer.add_sublayer(name, child)
