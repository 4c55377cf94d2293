"""The methods that mix no bank of kernels, in PyTorch, as the published code computes them.

Equations and order of operations are those of the code that each function names; the arrays are
those of our layers, which have the published names.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import torch
from torch.nn import functional as F

from benchmarks.published.options import sides
from odconv_spec import (
    CBAMSpec,
    CGConvSpec,
    DCDConvSpec,
    EfficientChannelAttentionSpec,
    FDConvSpec,
    KWConvSpec,
    SqueezeExcitationSpec,
    WEConvSpec,
    WeightNetConvSpec,
)


def squeeze_excitation(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """https://github.com/moskomule/senet.pytorch"""
    pooled = F.adaptive_avg_pool2d(x, 1).flatten(1)
    return x * torch.sigmoid(layer.fc[:3](pooled))[:, :, None, None].expand_as(x)


def cbam(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """https://github.com/Jongchan/attention-module"""
    mlp, size = layer.ChannelGate.mlp, x.shape[2:]
    both = (F.avg_pool2d(x, size), F.max_pool2d(x, size))
    logits = sum(mlp(pooled.flatten(1)) for pooled in both)
    x = x * torch.sigmoid(logits)[:, :, None, None].expand_as(x)
    spatial = layer.SpatialGate.spatial
    ends = torch.cat((x.max(1, keepdim=True)[0], x.mean(1, keepdim=True)), dim=1)
    return x * torch.sigmoid(spatial.bn(spatial.conv(ends)))


def efficient_channel_attention(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """https://github.com/BangguWu/ECANet"""
    pooled = F.adaptive_avg_pool2d(x, 1)
    logits = layer.conv(pooled.squeeze(-1).transpose(-1, -2)).transpose(-1, -2).unsqueeze(-1)
    return x * torch.sigmoid(logits).expand_as(x)


def cg_conv(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """https://github.com/XudongLinthu/context-gated-convolution: a product with all patches."""
    spec = layer.spec
    encoded = layer.ce(F.adaptive_avg_pool2d(x, spec.kernel).flatten(2))  # (batch, in, latent)
    of_input = layer.gd(torch.relu(layer.ce_bn(encoded)))
    mixed_by = layer.ci.weight.shape[1]
    groups = torch.relu(layer.ci_bn2(encoded)).unflatten(1, (-1, mixed_by)).transpose(2, 3)
    mixed = layer.ci(groups).transpose(2, 3).flatten(1, 2)  # (batch, out, latent)
    of_output = layer.gd2(torch.relu(layer.ci_bn(mixed)))
    gate = torch.sigmoid(of_input[:, None] + of_output[:, :, None])  # (batch, out, in, taps)
    columns = F.unfold(x, spec.kernel, spec.dilations, tuple(sides(spec)), spec.strides)
    y = (gate * layer.weight.flatten(2)).flatten(2) @ columns
    return y.reshape(*y.shape[:2], *spec.output_size(x.shape[2:]))


def we_conv(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """https://github.com/Ridwan230/pytorch-classification-weight-excitation"""
    spec, weight = layer.spec, layer.weight
    if spec.standardize:
        centred = weight - weight.mean(dim=(1, 2, 3), keepdim=True)
        weight = centred / (centred.flatten(1).std(dim=1)[:, None, None, None] + 1e-5)
    if spec.location:
        pooled = F.avg_pool2d(weight, weight.shape[2:])
        hidden = F.relu(F.conv2d(pooled, layer.fc1.weight, layer.fc1.bias))
        factors = torch.sigmoid(F.conv2d(hidden, layer.fc2.weight, layer.fc2.bias))
        weight = weight * factors.expand_as(weight)
    if spec.magnitude:
        most = 1.1 * weight.abs().max()
        weight = most * 0.5 * torch.log((1 + weight / most) / (1 - weight / most))
    return F.conv2d(x, weight, layer.bias, spec.strides, sides(spec), spec.dilations, spec.groups)


def weight_net_conv(layer: Any, x: torch.Tensor, shared: Any = None) -> torch.Tensor:
    """https://github.com/megvii-model/WeightNet: the kernels of all samples, in one convolution."""
    spec = layer.spec
    reduced = layer.reduce(x) if shared is None else shared
    numbers = torch.sigmoid(layer.wn_fc1(reduced))[:, :, None, None]
    kernels = F.conv2d(numbers, layer.wn_fc2.weight, groups=layer.wn_fc2.spec.groups)
    return _by_groups(x, kernels.reshape(-1, *spec.kernel_shape[1:]), layer)


def dcd_conv(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """https://github.com/liyunsheng13/dcd"""
    spec = layer.spec
    y = layer.conv(x)
    pooled = F.adaptive_avg_pool2d(x, spec.pool).flatten(1)
    hidden = layer.fc[0](pooled)
    hidden = hidden * (F.relu6(layer.fc[1].fc[0](hidden) + 3) / 3)
    phi = layer.fc_phi(hidden).reshape(-1, spec.dim, spec.dim)
    scale = F.relu6(layer.fc_scale(hidden) + 3) / 3
    y = scale[:, :, None, None].expand_as(y) * y
    q = layer.bn1(layer.q_layer(x))
    flat = q.flatten(2)
    fused = layer.bn2(phi @ flat) + flat
    return layer.p_layer(fused.reshape(q.shape)) + y


def kw_conv(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """https://github.com/OSVAI/KernelWarehouse: all kernels, in one convolution."""
    kernels = layer.kernels(x)
    return _by_groups(x, kernels.flatten(0, 1), layer)


def fd_conv(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """https://github.com/Linwei-Chen/FDConv: coefficients put into a spectrum of each sample."""
    spec, batch = layer.spec, x.shape[0]
    pooled = F.adaptive_avg_pool2d(x, 1)
    channel, filters, spatial, kernel = layer.KSM_Global(pooled)
    local = _local(layer, pooled)
    spectrum = torch.zeros(batch, *spec.order().spectrum, 2)
    groups = kernel.reshape(batch, spec.param_ratio, spec.kernel_num, 1)
    for index, (rows, columns) in enumerate(layer.frequency_order.indices.unbind()):
        chosen = layer.dft_weight[index][rows, columns][None] * spec.gain
        scaled = [chosen[..., part] * groups[:, index] for part in (0, 1)]
        spectrum[:, rows, columns] += torch.stack(scaled, dim=-1)
    plane = torch.fft.irfft2(torch.view_as_complex(spectrum), dim=(1, 2))
    height, width = spec.kernel
    plane = plane.reshape(batch, spec.out_channels, height, spec.in_channels, width)
    kernels = plane.transpose(2, 3) * local  # (batch, out, in, *kernel)
    if spatial is not None:
        kernels = kernels * spatial
    x = x if layer.FBM is None else _frequency_bands(layer.FBM, x)
    kernels = kernels * channel[:, None] * filters[:, :, None]
    return _by_groups(x, kernels.flatten(0, 1), layer)


def _local(layer: Any, pooled: torch.Tensor) -> torch.Tensor:
    """The gate of each element of a kernel, (batch, out, in, *kernel)."""
    spec, local = layer.spec, layer.KSM_Local
    x = local.norm(pooled).flatten(1)[:, None]  # (batch, 1, in)
    logits = F.conv1d(x, local.conv.weight, padding=local.conv.weight.shape[2] // 2)
    gates = 2 * torch.sigmoid(logits.transpose(1, 2))  # (batch, in, out * taps)
    gates = gates.reshape(len(x), spec.in_channels, spec.out_channels, *spec.kernel)
    return gates.transpose(1, 2)


def _frequency_bands(bands: Any, x: torch.Tensor) -> torch.Tensor:
    """A transform there and back for each band."""
    height, width = x.shape[2:]
    rows, columns = torch.fft.fftfreq(64)[:, None].abs(), torch.fft.rfftfreq(64)
    reach = torch.maximum(rows, columns.abs())
    before, total = x, torch.zeros_like(x)
    spectrum = torch.fft.rfft2(x)
    for ratio, layer in zip((2, 4, 8), bands.freq_weight_conv_list, strict=True):
        mask = (reach < 0.5 / ratio + 1e-8).float()[None, None]
        mask = F.interpolate(mask, size=(height, width // 2 + 1), mode="nearest")
        low = torch.fft.irfft2(spectrum * mask, s=(height, width))
        gate = 2 * torch.sigmoid(F.conv2d(x, layer.weight, layer.bias, padding=1))
        total = total + gate * (before - low)
        before = low
    return total + before


def _by_groups(x: torch.Tensor, kernels: torch.Tensor, layer: Any) -> torch.Tensor:
    """One convolution in which each sample is a group, or several."""
    spec, batch = layer.spec, x.shape[0]
    flat = x.reshape(1, -1, *x.shape[2:])
    geometry = (spec.strides, sides(spec), spec.dilations, spec.groups * batch)
    y = F.conv2d(flat, kernels, None, *geometry)
    y = y.reshape(batch, -1, *y.shape[2:])
    return y if layer.bias is None else y + layer.bias.reshape(-1, 1, 1)


FORWARD = MappingProxyType(
    {
        SqueezeExcitationSpec: squeeze_excitation,
        CBAMSpec: cbam,
        EfficientChannelAttentionSpec: efficient_channel_attention,
        CGConvSpec: cg_conv,
        WEConvSpec: we_conv,
        WeightNetConvSpec: weight_net_conv,
        DCDConvSpec: dcd_conv,
        KWConvSpec: kw_conv,
        FDConvSpec: fd_conv,
    }
)
"""Spec -> the forward of a layer of that kind."""
