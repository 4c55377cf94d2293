"""The dynamic backbones as models of timm, https://github.com/huggingface/pytorch-image-models.

from odconv_torch.timm import register_timm_models

register_timm_models()
model = timm.create_model("od_resnet18", num_classes=10)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from timm.models import (
    FeatureInfo,
    build_model_with_cfg,
    generate_default_cfgs,
    is_model,
    model_entrypoint,
    register_model,
    resolve_pretrained_cfg,
)
from timm.scheduler.scheduler import Scheduler
from torch import nn

from odconv_spec import list_models, model_spec
from odconv_spec.feature_maps import OutIndices, feature_indices
from odconv_torch.models import Features, build_model
from odconv_torch.models.backbone import Backbone
from odconv_torch.tools import TemperatureScheduler

# Options with another name in timm.
_RENAMED: Final[Mapping[str, str]] = {"in_chans": "in_channels", "drop_rate": "dropout"}
# timm's extractors that give a list of maps, as `TimmFeatures` does.
_LISTS: Final = ("getter", "list")


def register_timm_models() -> None:
    """Makes `timm.create_model` know the models od_*, dy_* and cond_*; static ones are timm's own.

    They take `num_classes`, `in_chans`, `drop_rate`, `global_pool`, `features_only`, `out_indices`,
    `checkpoint_path`, and the options of `odconv_torch.create_model`, and have what timm's own
    models have. With `features_only=True` all five maps are given by default, as with those.

    No weights are published for timm: `pretrained=True` needs a file of your own beside it,
    `pretrained_cfg_overlay={"file": path}`, and is a ValueError without one.
    """
    for name in list_models():
        ours = is_model(name) and model_entrypoint(name).__module__ == __name__
        if name in default_cfgs and not ours:
            register_model(_entry_point(name))


class TimmFeatures(Features):
    """`Features` whose `feature_info` is timm's, with `channels()` and `reduction()`."""

    def __init__(self, backbone: Backbone, out_indices: OutIndices = None) -> None:
        super().__init__(backbone, feature_indices(backbone.spec.feature_info(), out_indices))
        self.feature_info = FeatureInfo(_maps(backbone), self.out_indices)


class RateAndTemperature:
    """A scheduler of timm with the temperature beside it, where timm's training takes one.

    Both of timm's calls set the temperature, so that it is right after a restart, too.

    Args:
        rates: the scheduler of learning rates, such as `timm.scheduler.create_scheduler_v2` gives.
        temperature: of the network.
        updates_per_epoch: steps of the optimiser in an epoch.
    """

    def __init__(
        self, rates: Scheduler, temperature: TemperatureScheduler, updates_per_epoch: int
    ) -> None:
        self.rates = rates
        self.temperature = temperature
        self.updates_per_epoch = updates_per_epoch

    def step(self, epoch: int, metric: float | None = None) -> None:
        """What comes after `epoch` epochs."""
        self.rates.step(epoch, metric)
        self.temperature.step_to(epoch * self.updates_per_epoch)

    def step_update(self, num_updates: int, metric: float | None = None) -> None:
        """What comes after `num_updates` steps of the optimiser."""
        self.rates.step_update(num_updates, metric)
        self.temperature.step_to(num_updates)

    def state_dict(self) -> dict[str, Any]:
        """That of both, for a checkpoint."""
        return {"rates": self.rates.state_dict(), "temperature": self.temperature.state_dict()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Goes on where another one's `state_dict` stopped."""
        self.rates.load_state_dict(state_dict["rates"])
        self.temperature.load_state_dict(state_dict["temperature"])


def _entry_point(name: str) -> Callable[..., nn.Module]:
    """The function that builds the model; timm registers it by its `__name__`."""

    def create(
        pretrained: bool = False,
        pretrained_cfg: Any = None,
        pretrained_cfg_overlay: Mapping[str, Any] | None = None,
        feature_cls: Any = None,
        **options: Any,
    ) -> nn.Module:
        cfg = resolve_pretrained_cfg(name, pretrained_cfg, pretrained_cfg_overlay)
        if pretrained and not (cfg.has_weights or cfg.state_dict):
            raise ValueError(_no_weights(name))
        if feature_cls not in (None, *_LISTS):
            raise ValueError(
                f"feature_cls: expected one of {_LISTS}, which both give a list of maps, received "
                f"{feature_cls!r}; torchvision's create_feature_extractor reaches single layers"
            )
        features = {"feature_cls": TimmFeatures, "out_indices": None}
        return build_model_with_cfg(
            partial(_build, name), name, pretrained, cfg, feature_cfg=features, **options
        )

    create.__name__ = create.__qualname__ = name
    return create


def _build(name: str, device: Any = None, dtype: Any = None, **options: Any) -> Backbone:
    """The network, with the attributes that timm's own have beside ours."""
    own = {_RENAMED.get(key, key): value for key, value in options.items()}
    model = build_model(model_spec(name, **own), device, dtype)
    vars(model).update(
        in_chans=model.spec.in_channels,
        drop_rate=model.spec.dropout,
        head_hidden_size=model.num_features,
        feature_info=_maps(model),
    )
    return model


def _maps(model: Backbone) -> list[dict[str, Any]]:
    """timm's description of the maps, which it extends."""
    return [
        {"num_chs": info.channels, "reduction": info.stride, "module": info.name}
        for info in model.spec.feature_info()
    ]


def _no_weights(name: str) -> str:
    return (
        f"{name}: expected pretrained=False, received True; no weights are published for timm. "
        "Give a file of your own, or a published one after `odconv convert`, as "
        "pretrained_cfg_overlay={'file': path} beside it, or as checkpoint_path alone; "
        "'local-dir:FOLDER' in place of the name opens a hub folder"
    )


def _cfg(name: str) -> dict[str, Any]:
    """How the published code of the three papers evaluates: 256 pixels, the middle 224."""
    spec = model_spec(name)
    return {
        "input_size": (3, 224, 224),
        "pool_size": (7, 7),
        "crop_pct": 0.875,
        "interpolation": "bilinear",
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
        "num_classes": spec.num_classes,
        "first_conv": spec.stem_path,
        "classifier": spec.head_path,
    }


# timm reads this name in the module of a model that is registered.
default_cfgs = generate_default_cfgs(
    {name: _cfg(name) for name in list_models() if model_spec(name).conv.kind != "static"}
)
