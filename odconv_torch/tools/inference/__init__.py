"""A copy of a network that only infers, and takes fewer operations for it."""

from odconv_torch.tools.inference.attention import fix_attentions
from odconv_torch.tools.inference.norms import fold_norms
from odconv_torch.tools.inference.optimize import optimize_for_inference

__all__ = ["fix_attentions", "fold_norms", "optimize_for_inference"]
