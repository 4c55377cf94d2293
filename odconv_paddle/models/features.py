"""A backbone as the body of a detector."""

from __future__ import annotations

from collections.abc import Sequence

import paddle
from paddle import nn

from odconv_paddle.layers import set_temperature
from odconv_paddle.models.backbone import Backbone, stage_maps, steps_to, sublayer
from odconv_paddle.models.freezing import Frozen
from odconv_paddle.models.sharing import manager_of
from odconv_spec.feature_maps import OutIndices, feature_indices, stage_to_freeze


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
            of strides 4 to 32. The order does not matter. MobileNetV2 has one more map behind them,
            number 5 in the published networks, which only this number asks for.

    Attributes:
        spec: of the backbone.
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
        self.spec = backbone.spec
        self._frozen: Frozen | None = None
        infos, further = self.spec.feature_info(), self.spec.further_maps()
        self.out_indices = feature_indices(infos, out_indices, first=1, further=further)
        self.feature_info = tuple((*infos, *further)[index] for index in self.out_indices)
        self.steps = steps_to(backbone.steps, max(self.out_indices))
        for name, manager in manager_of(backbone).items():
            self.add_sublayer(name, manager)
        for path, _ in self.steps:
            _adopt(self, path, sublayer(backbone, path))

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        """The maps of images, as `feature_info` has them.

        Args:
            x: (batch, in_channels, height, width).

        Returns:
            A map (batch, channels, height / stride, width / stride) for each of `out_indices`.
        """
        return stage_maps(self, self.steps, x, self.out_indices)

    def set_temperature(self, temperature: float) -> None:
        """Sets the temperature of all dynamic convolutions; ValueError if it is not positive."""
        set_temperature(self, temperature)

    def freeze_stages(self, stage: int | None) -> None:
        """Freezes the layers up to a stage of the backbone, see `Backbone.freeze_stages`.

        Args:
            stage: as of the backbone, whichever maps are chosen: 0 is the stem, 1 leads to stride 4
                in a ResNet. None trains all again.

        Raises:
            ValueError: there is no such stage, or it lies behind the last map.
        """
        place = stage_to_freeze(self.spec.feature_info()[: self.out_indices[-1] + 1], stage)
        if self._frozen is not None:
            self._frozen.thaw()
        self._frozen = Frozen(sublayer(self, path) for path, _ in steps_to(self.steps, place))


def _adopt(layer: nn.Layer, path: Sequence[str], child: nn.Layer) -> None:
    """Gives `layer` the child at `path`, in a sequence where the path has several names."""
    *owners, name = path
    for owner in owners:
        if owner not in layer._sub_layers:
            layer.add_sublayer(owner, nn.Sequential())
        layer = layer._sub_layers[owner]
    layer.add_sublayer(name, child)
