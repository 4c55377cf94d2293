"""What puts dynamic convolutions into a network of one's own, trains them and deploys them."""

from odconv_spec.replaced import Replaced, Replacement
from odconv_torch.tools.attentions import watch_attentions
from odconv_torch.tools.fuse import fuse
from odconv_torch.tools.inference import optimize_for_inference
from odconv_torch.tools.norms import freeze_norms
from odconv_torch.tools.replace import replace_convs
from odconv_torch.tools.schedule import TemperatureLR, TemperatureScheduler
from odconv_torch.tools.strategy import set_strategy

__all__ = [
    "Replaced",
    "Replacement",
    "TemperatureLR",
    "TemperatureScheduler",
    "freeze_norms",
    "fuse",
    "optimize_for_inference",
    "replace_convs",
    "set_strategy",
    "watch_attentions",
]
