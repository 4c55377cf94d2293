"""Batch norms whose statistics stay as they are."""

from __future__ import annotations

from functools import partial

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def freeze_norms(model: nn.Module) -> None:
    """Keeps the running statistics of every batch norm in `model`, and makes it use them.

    For fine-tuning on few images at a time, as `norm_eval` of mmdetection does. The batch norms in
    attentions are among them. They stay in inference mode when the model is put into training mode;
    their scale and shift still train. A copy of the model and one that was pickled keep this.
    `SyncBatchNorm.convert_sync_batchnorm` makes new layers, so it comes first.

    Args:
        model: a layer or a network, of this package or not.

    Example:
        >>> model = create_model("od_resnet18", stages=[[8, 1]], stem_channels=8)
        >>> freeze_norms(model)
        >>> y = model.train()(torch.rand(2, 3, 32, 32))
        >>> model.bn1.running_mean.any(), model.bn1.weight.requires_grad
        (tensor(False), True)
    """
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.eval()
            # Of the object, not of its class, which `isinstance` and checkpoints know.
            object.__setattr__(module, "train", partial(_stays, module))


def _stays(norm: nn.Module, mode: bool = True) -> nn.Module:
    """What `norm.train(mode)` does instead."""
    return norm
