"""The dynamic convolution of inference as one compiled operation: optional, built when asked for.

`python -m odconv_torch.native build` compiles it once, which takes a C++ compiler and a few
seconds; `set_strategy(model, "native")` loads it and lets a network use it. Importing this package
does neither.
"""

from odconv_torch.layers.forms.native import is_loaded
from odconv_torch.native.library import build, load, path

__all__ = ["build", "is_loaded", "load", "path"]
