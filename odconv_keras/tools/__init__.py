"""What puts dynamic convolutions into a model of one's own, trains them and deploys them."""

from odconv_keras.tools.attentions import watch_attentions
from odconv_keras.tools.fuse import fuse
from odconv_keras.tools.norms import freeze_norms
from odconv_keras.tools.replace import replace_convs
from odconv_keras.tools.schedule import TemperatureScheduler
from odconv_spec.replaced import Replaced, Replacement

__all__ = [
    "Replaced",
    "Replacement",
    "TemperatureScheduler",
    "freeze_norms",
    "fuse",
    "replace_convs",
    "watch_attentions",
]
