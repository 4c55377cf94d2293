"""The eager counterpart of an export: a copy of a network that only infers."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from odconv_torch.layers import DynamicConv, WEConv1d, WEConv2d, WEConv3d
from odconv_torch.models.backbone import Backbone
from odconv_torch.tools.inference.attention import fix_attentions
from odconv_torch.tools.inference.chains import Pair, is_hooked, pairs
from odconv_torch.tools.inference.norms import exchange, fold

_ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.Hardtanh, nn.Hardswish, nn.SiLU, nn.ELU)
_NEW_OUTPUT = (_BatchNorm, _ConvNd, DynamicConv)  # layers whose output is no view of their input


def optimize_for_inference(model: nn.Module, channels_last: bool | None = None) -> nn.Module:
    """A copy of a network that computes the same in less time, and only infers.

    Batch norms are folded into the convolutions before them. The attentions of ODConv and DyConv
    become two products of fixed arrays, which hold their norm and their present temperature.
    WEConv, which depends on no sample, becomes a static convolution, and activations work in place.
    It gains most where layers are small: MobileNetV2 with one image.

    The copy is of the same class and takes the same input. It is an ordinary module, for
    `torch.inference_mode`, `torch.compile` and `torch.export`, but its arrays have no gradients,
    `set_temperature` no longer changes it, and its state dict has other names than a checkpoint:
    save, convert and train the model that it was made of.

    Args:
        model: a network in evaluation mode with layers of this package, or a layer.
        channels_last: whether maps lie with their channels last. By default those of our networks
            with depthwise convolutions on a CPU, which are faster so; for a network of your own,
            whose code may need the usual layout, give True and try.

    Returns:
        The copy. Layers with hooks, and those that you changed, are in it as they are.

    Raises:
        ValueError: the model or a part of it is in training mode, or has no values yet.

    Example:
        >>> model = create_model("od_mobilenetv2_050", kernel_num=4).eval()
        >>> fast, images = optimize_for_inference(model), torch.rand(1, 3, 64, 64)
        >>> with torch.inference_mode():
        ...     torch.allclose(fast(images), model(images), atol=1e-5)
        True
    """
    _check(model)
    network = copy.deepcopy(model)
    found = tuple(pairs(network))
    _work_in_place(found)
    network = fold(network, found)
    network = exchange(network, dict(_static(network)))
    network = fix_attentions(network)
    if _suits_channels_last(network) if channels_last is None else channels_last:
        _lay_channels_last(network)
    return network.requires_grad_(False)


def _check(model: nn.Module) -> None:
    training = [path for path, module in model.named_modules() if module.training]
    if training:
        where = f"{training[0]!r} in training mode" if training[0] else "one in training mode"
        raise ValueError(
            f"model: expected a network in evaluation mode, received {where}; call model.eval() "
            "first"
        )
    arrays = (*model.named_parameters(), *model.named_buffers())
    missing = next((path for path, array in arrays if array.is_meta), None)
    if missing is not None:
        raise ValueError(
            f"model: expected arrays with values, received {missing!r} on the meta device; load "
            "them first"
        )


def _work_in_place(found: Iterable[Pair]) -> None:
    """Activations of what nothing else reads."""
    for before, activation in found:
        if isinstance(activation, _ACTIVATIONS) and isinstance(before, _NEW_OUTPUT):
            activation.inplace = True


def _static(network: nn.Module) -> Iterable[tuple[nn.Module, nn.Module]]:
    """The convolutions that depend on no sample, and what they come to."""
    for layer in network.modules():
        if isinstance(layer, (WEConv1d, WEConv2d, WEConv3d)) and not is_hooked(layer):
            try:
                yield layer, layer.to_static()
            except ValueError:  # a padding that static convolutions lack
                continue


def _suits_channels_last(network: nn.Module) -> bool:
    """Whether it is a network of this package with depthwise convolutions on a CPU."""
    if not isinstance(network, Backbone) or next(network.parameters()).device.type != "cpu":
        return False
    convs = (layer for layer in network.modules() if isinstance(layer, (_ConvNd, DynamicConv)))
    return any(1 < conv.groups == conv.in_channels for conv in convs)


def _lay_channels_last(network: nn.Module) -> None:
    """Lays the kernels of static convolutions so: maps follow them, and our layers the maps."""
    for conv in network.modules():
        if isinstance(conv, nn.Conv2d):
            conv.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
