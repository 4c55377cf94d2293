"""A backbone as the body of a detector."""

# No annotations as text (`from __future__`): torch.fx puts those of `forward` into its graph, which
# could not be pickled then.

import copy
from collections.abc import Sequence

import torch
from torch import nn

from odconv_torch.layers import set_temperature
from odconv_torch.models.backbone import Backbone


class Features(nn.Module):
    """The maps of a backbone at chosen strides: images to a list of maps, finest first as chosen.

    The layers are those of `backbone`, so load its checkpoint before or after; those behind the
    last chosen map are left out, so that every parameter gets a gradient.

    Args:
        backbone: the network whose maps are taken.
        out_indices: which of `backbone.feature_info`; strides 4 to 32 by default.

    Attributes:
        feature_info: name, channels and stride of each map.

    Raises:
        ValueError: an index is out of range.

    Example:
        >>> body = Features(create_model("od_resnet18"))
        >>> [tuple(map.shape) for map in body(torch.rand(1, 3, 64, 96))]
        [(1, 64, 16, 24), (1, 128, 8, 12), (1, 256, 4, 6), (1, 512, 2, 3)]
    """

    def __init__(self, backbone: Backbone, out_indices: Sequence[int] = (1, 2, 3, 4)) -> None:
        super().__init__()
        self.out_indices = backbone.check_indices(out_indices)
        self.feature_info = tuple(backbone.feature_info[index] for index in self.out_indices)
        self.backbone = copy.copy(backbone)  # its children are the same, its dict of them is not
        self.backbone._modules = dict(backbone.modules_up_to(max(self.out_indices)))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Maps (batch, channels, height / stride, width / stride), sizes rounded up."""
        return self.backbone.forward_stages(x, self.out_indices)

    def set_temperature(self, temperature: float) -> None:
        """Sets the temperature of all dynamic convolutions; ValueError if it is not positive."""
        set_temperature(self, temperature)
