"""Training: `python -m odconv_paddle.train`, alone or started by paddle.distributed.launch."""

from odconv_paddle.train.run import train

__all__ = ["train"]
