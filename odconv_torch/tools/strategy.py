"""Which form computes the dynamic convolutions of a network."""

from __future__ import annotations

from torch import nn

from odconv_torch.layers.attending import Attending
from odconv_torch.layers.dynamic import DynamicConv
from odconv_torch.layers.forms.choice import Strategy
from odconv_torch.layers.forms.cost_model import AUTO, NATIVE, Costs, check_strategy
from odconv_torch.native import load


def set_strategy(
    module: nn.Module,
    strategy: str = AUTO,
    inference: Costs | None = None,
    training: Costs | None = None,
    *,
    recompute: bool = False,
) -> None:
    """Sets the form of every dynamic convolution inside `module` (or of `module` itself).

    All forms agree to rounding and differ in speed and memory:

    * "auto": the one that takes the least time by a model of costs; by rules on accelerators.
    * "grouped": the samples as groups of one convolution.
    * "samples": one convolution after the other, each of one sample.
    * "shared": the kernels as they are stored, `kernel_num` times the arithmetic.
    * "tiled": a few rows of the kernels at a time, on the patches of the map.
    * "patches": one batched matrix product on the patches of the map.
    * "native": compiled operations where they take less time, in float32 on a CPU: in inference for
      attentions and convolutions, in training for depthwise and pointwise layers with their
      gradients. Elsewhere what "auto" chooses. `python -m odconv_torch.native build` must have
      built them.

    * "compact": one constant convolution for the patches, and one matrix product.
    * "portable": constant convolutions, whose outputs are mixed; `kernel_num` times the arithmetic.
    * "single": a convolution with its mixed kernel for each sample of a batch that does not change.
    * "folded": the samples of such a batch as groups of one convolution, or as products of tiles.

    An exported graph (`torch.onnx`, `torch.export`, `torch.jit.trace`) has one of the last four,
    and "compact" for "auto". What `torch.compile` records must hold for any batch size: it has
    "shared", "patches", "compact" or "portable" where one is asked for, and chooses by itself
    otherwise. Layers whose kernels have attentions of their own (`attention_sharing=False`) take
    "grouped" in place of "shared" and "tiled".

    Layers that mix no bank of kernels have a form of their own, and in an exported graph "compact",
    "single" or "folded". Those whose kernel no sample changes have constant kernels under each
    name; others refuse "portable".

    Args:
        module: a layer or a network.
        strategy: one of the names above.
        inference: constants of the model of costs without gradients, such as
            `python -m odconv_torch.calibrate` measures on a machine.
        training: the same with gradients.
        recompute: keeps no mixed kernels and no patches for the gradients, but computes them again:
            less memory in training, for the time of a second forward pass of the convolutions.

    Raises:
        RuntimeError: nobody has built the operation of "native" on this machine.
        ValueError: there is no such strategy. An export of a layer raises it for a strategy that
            an exported graph cannot have.

    Example:
        >>> layer, x = ODConv2d(3, 8, 3), torch.rand(2, 3, 16, 16)
        >>> y = layer(x)
        >>> set_strategy(layer, "samples")
        >>> torch.allclose(layer(x), y, atol=1e-5)
        True
    """
    if check_strategy(strategy) == NATIVE:
        load()
    default = Strategy()
    chosen = Strategy(
        strategy,
        inference or default.inference,
        training or default.training,
        recompute,
    )
    for child in module.modules():
        if isinstance(child, DynamicConv):
            child.strategy = chosen
        elif isinstance(child, Attending):
            child.native = strategy == NATIVE
