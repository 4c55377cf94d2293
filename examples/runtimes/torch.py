"""PyTorch: `load_state_dict` from a .pth file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from odconv_spec import BackboneSpec
from odconv_torch.models.factory import build_model


def load(path: Path, spec: BackboneSpec) -> torch.nn.Module:
    model = build_model(spec)
    model.load_state_dict(torch.load(path, weights_only=True), strict=True)
    return model.eval()


@torch.no_grad()
def predict(model: torch.nn.Module, images: np.ndarray) -> np.ndarray:
    return model(torch.from_numpy(images)).numpy()


@torch.no_grad()
def attentions(model: torch.nn.Module, images: np.ndarray) -> dict[str, np.ndarray]:
    """What the second block's expansion and depthwise convolution attend to, for each image."""
    found = {}
    layers = {"expansion": "features.2.conv.0.0", "depthwise": "features.2.conv.1.0"}
    for name, path in layers.items():

        def keep(module, inputs, output, name=name):
            for kind, value in output._asdict().items():
                if value is not None:
                    found[f"{name} {kind}"] = value.squeeze().numpy()

        model.get_submodule(f"{path}.attention").register_forward_hook(keep)
    model(torch.from_numpy(images))
    return found
