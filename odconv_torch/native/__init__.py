"""The dynamic convolution, its gradients and its attention as compiled operations: optional.

`python -m odconv_torch.native build` compiles them once, which takes a C++ compiler and some
seconds; `set_strategy(model, "native")` loads them and lets a network use them. Importing this
package does neither.
"""

from odconv_torch.layers.forms.native import is_loaded
from odconv_torch.native.library import build, load, path

__all__ = ["build", "is_loaded", "load", "path"]
