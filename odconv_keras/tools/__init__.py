"""What puts dynamic convolutions into a model of one's own, trains them and deploys them."""

from odconv_keras.tools.fuse import fuse
from odconv_keras.tools.replace import replace_convs
from odconv_keras.tools.schedule import TemperatureScheduler
from odconv_spec.replaced import Replaced, Replacement

__all__ = ["Replaced", "Replacement", "TemperatureScheduler", "fuse", "replace_convs"]
