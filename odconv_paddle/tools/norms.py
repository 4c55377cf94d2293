"""Batch norms whose statistics stay as they are."""

from __future__ import annotations

from paddle import nn

from odconv_paddle.layers.norm import keep_statistics


def freeze_norms(layer: nn.Layer) -> None:
    """Keeps the running statistics of every batch norm in `layer`, and makes it use them.

    For fine-tuning on few images at a time, as `norm_eval` of mmdetection does. The batch norms in
    attentions are among them. It is Paddle's `use_global_stats=True`, which `train()` leaves alone;
    scale and shift still train. `paddle.nn.SyncBatchNorm.convert_sync_batchnorm` makes new layers
    without it, so it comes first.

    Args:
        layer: a layer or a network, of this package or not.

    Example:
        >>> model = create_model("od_resnet18", stages=[[8, 1]], stem_channels=8)
        >>> freeze_norms(model)
        >>> _ = model.train()
        >>> y = model(paddle.rand([2, 3, 32, 32]))
        >>> bool(model.bn1._mean.any()), model.bn1.weight.stop_gradient
        (False, False)
    """
    keep_statistics(layer)
