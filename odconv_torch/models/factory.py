"""Models by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import torch

from odconv_spec import BackboneSpec, list_models, model_spec
from odconv_spec.feature_maps import OutIndices, check_features
from odconv_spec.plugins import row
from odconv_torch.models.backbone import Backbone
from odconv_torch.models.features import Features
from odconv_torch.models.head import Device
from odconv_torch.models.mobilenetv2 import MobileNetV2
from odconv_torch.models.resnet import ResNet
from odconv_torch.models.shufflenetv2 import ShuffleNetV2

__all__ = ["build_model", "create_model", "list_models"]

_FAMILIES: Final[Mapping[str, Callable[..., Backbone]]] = {
    "resnet": ResNet,
    "mobilenetv2": MobileNetV2,
    "shufflenetv2": ShuffleNetV2,
}


def build_model(
    spec: BackboneSpec, device: Device = None, dtype: torch.dtype | None = None
) -> Backbone:
    """The network that `spec` describes.

    Args:
        spec: of a network of any family.
        device: where the parameters live.
        dtype: of the parameters.

    Returns:
        The network with random weights, in training mode.

    Raises:
        ValueError: no package has a network of this family.

    Example:
        >>> build_model(model_spec("od_resnet18", num_classes=10)).num_classes
        10
    """
    return row("odconv.torch_models", _FAMILIES, spec.family)(spec, device, dtype)


def create_model(
    name: str,
    *,
    features_only: bool = False,
    out_indices: OutIndices = None,
    device: Device = None,
    dtype: torch.dtype | None = None,
    **options: Any,
) -> Backbone | Features:
    """A model by name, with random weights.

    Args:
        name: one of `list_models()`.
        features_only: gives `Features`, the body of a detector, instead of a classifier.
        out_indices: which maps that body gives, see `Features`.
        device: where the parameters live.
        dtype: of the parameters.
        **options: `num_classes`, `global_pool`, `in_channels`, `dropout`, `stages`, see
            `odconv_spec.BackboneSpec`, and what the model's kind of convolution has, such as
            `kernel_num`, `reduction` and `head_init`. Without classes, `num_classes=0`, the network
            gives features.

    Returns:
        A network with random weights, in training mode.

    Raises:
        ValueError: unknown name or option, a value out of range, or `out_indices` of a classifier.

    Example:
        >>> create_model("dy_resnet18", num_classes=10)(torch.rand(1, 3, 32, 32)).shape
        torch.Size([1, 10])
    """
    check_features(features_only, out_indices)
    model = build_model(model_spec(name, **options), device, dtype)
    if not features_only:
        return model
    return Features(model, out_indices)
