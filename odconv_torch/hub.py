"""Models out of hub folders, which every framework writes with `save_pretrained`."""

from __future__ import annotations

from pathlib import Path

import torch

from odconv_spec.feature_maps import OutIndices, check_features
from odconv_torch.models import Features, build_model
from odconv_torch.models.backbone import Backbone
from odconv_torch.models.head import Device

__all__ = ["from_pretrained"]


def from_pretrained(
    pretrained_model_name_or_path: str | Path,
    *,
    num_classes: int | None = None,
    features_only: bool = False,
    out_indices: OutIndices = None,
    device: Device = None,
    dtype: torch.dtype | None = None,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    token: str | bool | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
) -> Backbone | Features:
    """A model with the weights of a hub folder, whichever framework has written it.

    The arguments are those of huggingface_hub's `from_pretrained` and of `create_model`.

    Args:
        pretrained_model_name_or_path: a folder, or an id on https://huggingface.co such as
            "someone/od_resnet18", for which huggingface_hub is needed.
        num_classes: of another head, which starts at random; 0 is a network without one. By default
            the head of the folder.
        features_only: gives `Features`, the body of a detector, instead of a classifier.
        out_indices: which maps that body gives, see `Features`.
        device: where the parameters live.
        dtype: of the parameters, to which those of the folder are rounded.
        revision: branch, tag or commit, for an id.
        cache_dir: where what is downloaded is kept, for an id.
        token: of the account, for an id.
        force_download: whether to download again what is in the cache.
        local_files_only: whether to take what is in the cache, and ask nobody.

    Returns:
        The network, in inference mode. Its `hub_config` has the names of the classes and how images
        are prepared, where the folder tells.

    Raises:
        ValueError: there is no such folder, or it holds no model that fits; as a
            `weights_converter.ConverterError`.

    Example:
        >>> from tempfile import mkdtemp
        >>> folder = mkdtemp()
        >>> _ = create_model("od_resnet18", num_classes=10).save_pretrained(folder)
        >>> from_pretrained(folder)(torch.rand(1, 3, 32, 32)).shape
        torch.Size([1, 10])
        >>> from_pretrained(folder, num_classes=3).num_classes
        3
    """
    from weights_converter.hub.folder import open_folder  # it needs NumPy

    check_features(features_only, out_indices)
    folder = open_folder(
        pretrained_model_name_or_path,
        revision=revision,
        cache_dir=cache_dir,
        token=token,
        force_download=force_download,
        local_files_only=local_files_only,
    )
    config = folder.config_for(num_classes)
    model = build_model(config.spec, device, dtype)
    folder.load_into(model, config.spec)
    model.hub_config = config
    return (Features(model, out_indices) if features_only else model).eval()
