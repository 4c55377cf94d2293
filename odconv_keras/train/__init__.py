"""Training: `python -m odconv_keras.train`, in one process or several."""

from odconv_keras.train.optimizer import SGD
from odconv_keras.train.trainer import Trainer, train

__all__ = ["SGD", "Trainer", "train"]
