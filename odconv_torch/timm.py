"""The dynamic backbones as models of timm, https://github.com/huggingface/pytorch-image-models.

from odconv_torch.timm import register_timm_models

register_timm_models()
model = timm.create_model("od_resnet18", num_classes=10)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from timm.models import FeatureInfo, is_model, model_entrypoint, register_model
from torch import nn

from odconv_spec import list_models, model_spec
from odconv_spec.feature_maps import OutIndices, feature_indices
from odconv_torch.models import Features, build_model, create_model
from odconv_torch.models.backbone import Backbone

# Options with another name in timm, and those of pretrained weights.
_RENAMED: Final[Mapping[str, str]] = {"in_chans": "in_channels", "drop_rate": "dropout"}
_OF_WEIGHTS = ("cache_dir", "pretrained_cfg", "pretrained_cfg_overlay")


def register_timm_models() -> None:
    """Makes `timm.create_model` know the models od_*, dy_* and cond_*; static ones are timm's own.

    They take `num_classes`, `in_chans`, `drop_rate`, `features_only`, `out_indices`, and the
    options of `odconv_torch.create_model`. With `features_only=True` the result has timm's
    `feature_info`, and all five maps by default, as with timm's own models. There are no pretrained
    weights, so `pretrained=True` is a ValueError.
    """
    for name in list_models():
        ours = is_model(name) and model_entrypoint(name).__module__ == __name__
        if model_spec(name).conv.kind != "static" and not ours:
            register_model(_entry_point(name))


def _entry_point(name: str) -> Callable[..., nn.Module]:
    """The function that builds the model; timm registers it by its `__name__`."""

    def create(pretrained: bool = False, **options: Any) -> nn.Module:
        if pretrained:
            raise ValueError(
                f"{name}: expected pretrained=False, received True; no weights are published for "
                "timm, so give checkpoint_path a file of your own or a converted one"
            )
        own = {_RENAMED.get(k, k): v for k, v in options.items() if k not in _OF_WEIGHTS}
        if own.pop("features_only", False):
            return _features(name, **own)
        return create_model(name, **own)

    create.__name__ = create.__qualname__ = name
    return create


class TimmFeatures(Features):
    """`Features` whose `feature_info` is timm's, with `channels()` and `reduction()`."""

    def __init__(self, backbone: Backbone, out_indices: OutIndices) -> None:
        super().__init__(backbone, feature_indices(backbone.feature_info, out_indices))
        maps = [
            {"num_chs": info.channels, "reduction": info.stride, "module": info.name}
            for info in backbone.feature_info
        ]
        self.feature_info = FeatureInfo(maps, self.out_indices)


def _features(name: str, out_indices: OutIndices = None, **options: Any) -> nn.Module:
    device, dtype = options.pop("device", None), options.pop("dtype", None)
    backbone = build_model(model_spec(name, **options), device, dtype)
    return TimmFeatures(backbone, out_indices)
