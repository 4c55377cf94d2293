"""PaddlePaddle: `paddle.load` and `set_state_dict` from a .pdparams file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle

from odconv_paddle.models.factory import build_model
from odconv_spec import BackboneSpec


def load(path: Path, spec: BackboneSpec) -> paddle.nn.Layer:
    model = build_model(spec)
    missing, unexpected = model.set_state_dict(paddle.load(str(path)))
    if missing or unexpected:  # Paddle itself only warns
        raise ValueError(f"missing {missing}, unexpected {unexpected}")
    model.eval()
    return model


@paddle.no_grad()
def predict(model: paddle.nn.Layer, images: np.ndarray) -> np.ndarray:
    return model(paddle.to_tensor(images)).numpy()
