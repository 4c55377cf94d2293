"""What puts dynamic convolutions into a network of one's own, trains them and deploys them."""

from odconv_paddle.tools.attentions import watch_attentions
from odconv_paddle.tools.fuse import fuse
from odconv_paddle.tools.norms import freeze_norms
from odconv_paddle.tools.replace import replace_convs
from odconv_paddle.tools.schedule import TemperatureScheduler
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
