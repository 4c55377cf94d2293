"""A backbone as the body of a detector."""

# No annotations as text (`from __future__`): torch.fx puts those of `forward` into its graph, which
# could not be pickled then.

import copy

import torch
from torch import nn

from odconv_spec.feature_maps import OutIndices, feature_indices, stage_to_freeze
from odconv_torch.layers import set_temperature
from odconv_torch.models.backbone import Backbone
from odconv_torch.models.sharing import manager_of


class Features(nn.Module):
    """The maps of a backbone at chosen strides, from the finest to the coarsest.

    Takes images (batch, in_channels, height, width) and returns a list of maps (batch, channels,
    height / stride, width / stride), sizes rounded up.

    The layers are those of `backbone`, so load its checkpoint before or after; layers after the
    last chosen map are left out, so that every parameter gets a gradient.

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
        >>> [tuple(y.shape) for y in body(torch.rand(1, 3, 64, 96))]
        [(1, 128, 8, 12), (1, 256, 4, 6), (1, 512, 2, 3)]
    """

    def __init__(self, backbone: Backbone, out_indices: OutIndices = None) -> None:
        super().__init__()
        infos, further = backbone.spec.feature_info(), backbone.spec.further_maps()
        self.out_indices = feature_indices(infos, out_indices, first=1, further=further)
        self.feature_info = tuple((*infos, *further)[index] for index in self.out_indices)
        self.spec = backbone.spec
        self.backbone = copy.copy(backbone)  # its children are the same, its dict of them is not
        layers = backbone.modules_up_to(max(self.out_indices))
        self.backbone._modules = {**manager_of(backbone), **layers}

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """The maps of images, as `feature_info` has them.

        Args:
            x: (batch, in_channels, height, width).

        Returns:
            A map (batch, channels, height / stride, width / stride) for each of `out_indices`.
        """
        return self.backbone.forward_stages(x, self.out_indices)

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
        stage_to_freeze(self.backbone.spec.feature_info()[: self.out_indices[-1] + 1], stage)
        self.backbone.freeze_stages(stage)

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Computes blocks again in the backward pass, see `Backbone.set_grad_checkpointing`."""
        self.backbone.set_grad_checkpointing(enable)
