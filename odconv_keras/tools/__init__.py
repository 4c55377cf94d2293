"""What puts dynamic convolutions into a model of one's own, trains them and deploys them."""

from odconv_keras.tools.fuse import fuse
from odconv_keras.tools.replace import Replaced, Replacement, replace_convs
from odconv_keras.tools.schedule import TemperatureSchedule

__all__ = ["Replaced", "Replacement", "TemperatureSchedule", "fuse", "replace_convs"]
