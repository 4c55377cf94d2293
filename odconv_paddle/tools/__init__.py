"""What puts dynamic convolutions into a network of one's own, trains them and deploys them."""

from odconv_paddle.tools.fuse import fuse
from odconv_paddle.tools.replace import Replaced, Replacement, replace_convs
from odconv_paddle.tools.schedule import TemperatureSchedule

__all__ = ["Replaced", "Replacement", "TemperatureSchedule", "fuse", "replace_convs"]
