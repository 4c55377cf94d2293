"""Training: `python -m odconv_paddle.train`, alone or started by paddle.distributed.launch."""

from odconv_paddle.train.trainer import Trainer, train

__all__ = ["Trainer", "train"]
