"""What the backbones have in common."""

# No annotations as text (`from __future__`): torch.fx puts those of `forward` into its graph, which
# could not be pickled then.

from collections.abc import Mapping

import torch
from torch import nn

from odconv_spec import BackboneSpec, CondConvSpec, ConvSpec, LinearSpec
from odconv_spec.feature_maps import OutIndices
from odconv_torch.layers import Routing, build_conv, build_linear, set_temperature
from weights_converter.hub.mixin import HubModel

Device = torch.device | str | None


class Backbone(HubModel, nn.Module):
    """An image classifier: `forward_features`, then `forward_head`, which pools the last map.

    With `num_classes=0` it has no head, and gives features, see `BackboneSpec`.

    Attributes:
        spec: what the network is made of.
        num_features: channels of the last map.
        num_classes: width of the output, 0 without a head.
        feature_info: name, channels and stride of each map that `forward_stages` gives.
    """

    def __init__(self, spec: BackboneSpec) -> None:
        super().__init__()
        self.spec = spec
        self.num_features = spec.num_features
        self.num_classes = spec.num_classes
        self.feature_info = spec.feature_info()
        self.global_pool = spec.global_pool
        self._head_is_conv = isinstance(spec.head, ConvSpec)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """The last map, (batch, num_features, height / 32, width / 32), sizes rounded up."""
        raise NotImplementedError

    def forward_head(self, features: torch.Tensor) -> torch.Tensor:
        """Logits (batch, num_classes) of the last map, or its features."""
        raise NotImplementedError

    def forward_stages(self, x: torch.Tensor, out_indices: OutIndices = None) -> list[torch.Tensor]:
        """The last map of each stride, as `feature_info` describes them.

        Args:
            x: images (batch, in_channels, height, width).
            out_indices: a number n for the last n of `feature_info`, or which of them, where
                negative ones count from the end; all by default. Layers behind them are not run.

        Raises:
            ValueError: an index is out of range.
        """
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (batch, num_classes), or features, of images (batch, in_channels, *size)."""
        return self.forward_head(self.forward_features(x))

    def set_temperature(self, temperature: float) -> None:
        """Sets the temperature of all dynamic convolutions; ValueError if it is not positive."""
        set_temperature(self, temperature)

    def modules_up_to(self, index: int) -> Mapping[str, nn.Module]:
        """The children, by name, that the maps up to `feature_info[index]` take."""
        raise NotImplementedError

    def _pool(self, features: torch.Tensor) -> torch.Tensor:
        """(batch, num_features), or (batch, num_features, 1, 1) for a convolution as classifier.

        The map itself where it is not to be pooled.
        """
        if not self.global_pool:
            return features
        pool = torch.amax if self.global_pool == "max" else torch.mean
        return pool(features, dim=(2, 3), keepdim=self._head_is_conv)


def build_head(
    spec: LinearSpec | ConvSpec | None, device: Device, dtype: torch.dtype | None
) -> nn.Module:
    """The classifier; that of CondConv is a 1x1 convolution that starts as a linear one does.

    None is a network without one, which hands its features on.
    """
    if spec is None:
        return nn.Identity()
    if isinstance(spec, LinearSpec):
        return build_linear(spec, device, dtype)
    conv = build_conv(spec, device, dtype)
    # The fan-out of a classifier is the number of classes: of ten, logits would be huge.
    nn.init.normal_(conv.get_parameter("weight"), std=0.01)
    return conv


def build_router(
    routing: LinearSpec | None, conv: ConvSpec, device: Device, dtype: torch.dtype | None
) -> Routing | None:
    """The router that `conv` and the other convolutions of its block share, if they do."""
    if routing is None or not isinstance(conv, CondConvSpec):
        return None
    widths = routing.in_channels, routing.out_channels
    return Routing(*widths, conv.head_init, device, dtype)


def routing_weights(router: nn.Module | None, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """What each convolution of a block takes beside its input, from the input of the block."""
    return () if router is None else (router(x),)
