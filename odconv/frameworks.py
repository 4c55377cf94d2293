"""The frameworks that a command can run a network in, each imported when it is asked for."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from odconv_training.evaluation import Framework
from weights_converter.errors import UsageError, legible

NAMES = ("torch", "paddle", "keras")
IMAGE_SIZE = 224  # height and width that images of files get unless somebody says otherwise


def installed() -> str:
    """The first framework that is installed.

    Raises:
        ModuleNotFoundError: there is none.
    """
    for name in NAMES:
        if find_spec(name) is not None:
            return name
    raise ModuleNotFoundError("none of torch, paddle and keras is installed", name="torch")


def framework_for(checkpoint: str | Path, name: str | None) -> Framework:
    """The framework that runs a checkpoint, the first that is installed by default.

    Raises:
        UsageError: there is no such framework, or it is a runtime, which runs no checkpoints.
        ModuleNotFoundError: it is not installed.
    """
    if name is not None and name not in NAMES:
        raise UsageError(
            f"{legible(Path(checkpoint).name)}: expected {', '.join(NAMES)} as the framework of a "
            f"checkpoint, received {legible(name)}",
            help="what `odconv export` writes runs in onnxruntime, openvino and others",
        )
    return framework_named(name or installed())


def framework_named(name: str) -> Framework:
    """How a framework builds a network and what it answers.

    Args:
        name: "torch", "paddle" or "keras".

    Raises:
        ValueError: there is no such framework.
        ModuleNotFoundError: it is not installed.
    """
    if name == "torch":
        from odconv_torch.models.factory import build_model as build_torch
        from odconv_torch.train.attentions import attentions as torch_attentions
        from odconv_torch.train.evaluation import logits as torch_logits

        return Framework(name, build_torch, torch_logits, torch_attentions)
    if name == "paddle":
        from odconv_paddle.models.factory import build_model as build_paddle
        from odconv_paddle.train.attentions import attentions as paddle_attentions
        from odconv_paddle.train.evaluation import logits as paddle_logits

        return Framework(name, build_paddle, paddle_logits, paddle_attentions)
    if name == "keras":
        from odconv_keras.models.factory import build_model as build_keras
        from odconv_keras.train.attentions import attentions as keras_attentions
        from odconv_keras.train.evaluation import logits as keras_logits

        return Framework(name, build_keras, keras_logits, keras_attentions)
    raise ValueError(f"framework: expected 'torch', 'paddle' or 'keras', received {name!r}")
