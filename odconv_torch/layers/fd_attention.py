"""The attentions of FDConv: of a kernel's channels, taps and frequencies, and of its elements."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from odconv_spec import ConvSpec, FDConvSpec
from odconv_spec.fd_attention import StarReLUSpec
from odconv_torch.layers.build_static import build_norm
from odconv_torch.layers.pointwise import Pointwise, side_by_side

_NEAR_ZERO = 1e-6
_KAIMING = "filter_fc"  # which the published code means to start near zero, and does not


class Modulation(NamedTuple):
    """What scales the kernel of each sample; of a kernel of one tap there is no spatial factor."""

    channel: torch.Tensor  # (batch, in, 1, 1)
    filter: torch.Tensor  # (batch, out, 1, 1)
    spatial: torch.Tensor | None  # (batch, 1, 1, *kernel)
    kernel: torch.Tensor  # (batch, param_ratio * kernel_num), of the groups of frequencies


class NearZero(Pointwise):
    """A head whose "published" start is near zero."""

    def reset_parameters(self) -> None:
        super().reset_parameters()
        if self.head_init == "published":
            nn.init.normal_(self.weight, std=_NEAR_ZERO)


class StarReLU(nn.Module):
    """scale * relu(x) ** 2 + bias, https://arxiv.org/abs/2210.13452.

    Example:
        >>> StarReLU()(torch.tensor([-1.0, 3.0])).tolist()
        [0.0, 9.0]
    """

    def __init__(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.spec = StarReLUSpec()
        self.scale = nn.Parameter(torch.empty(1, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(1, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.ones_(self.scale)
        nn.init.zeros_(self.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * torch.relu(x).square() + self.bias


class GlobalModulation(nn.Module):
    """One squeeze of the input's mean, and a head for each attention, which is around one.

    Takes means (batch, in, 1, 1) and returns `Modulation`, with (batch, param_ratio * kernel_num)
    weights of the groups of frequencies, which add up to about one.

    Args:
        spec: of the convolution that the attentions are for.
        device: where the parameters live.
        dtype: of the parameters.

    Example:
        >>> spec = FDConvSpec(in_channels=4, out_channels=8, kernel_size=3, head_init="zero")
        >>> GlobalModulation(spec)(torch.rand(2, 4, 1, 1)).kernel
        tensor([[0.2500, 0.2500, 0.2500, 0.2500],
                [0.2500, 0.2500, 0.2500, 0.2500]], grad_fn=<DivBackward0>)
    """

    def __init__(
        self,
        spec: FDConvSpec,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.fc = Pointwise(spec.trunk(), "published", device, dtype)
        self.bn = build_norm(spec.trunk_norm(), spec.rank, device, dtype)
        self.relu = StarReLU(device, dtype)
        for name, head in spec.heads().items():
            kind = Pointwise if name == _KAIMING else NearZero
            self.add_module(name, kind(head, spec.head_init, device, dtype))

    def forward(self, pooled: torch.Tensor) -> Modulation:
        names = tuple(self.spec.heads())
        heads = [getattr(self, name) for name in names]
        hidden = self.relu(self.bn(self.fc(pooled)))
        logits = side_by_side(heads, hidden) / self.spec.temperature
        parts = (2 * logits.sigmoid()).split([head.out_channels for head in heads], dim=1)
        found = dict(zip(names, parts, strict=True))
        spatial = found.get("spatial_fc")
        return Modulation(
            channel=found["channel_fc"][..., None, None],
            filter=found["filter_fc"][..., None, None],
            spatial=None if spatial is None else spatial.reshape(-1, 1, 1, *self.spec.kernel),
            kernel=found["kernel_fc"] / (self.spec.param_ratio * self.spec.kernel_num),
        )


class LocalTaps(nn.Module):
    """The array of a convolution over the channels, (out * taps, 1, neighbours)."""

    def __init__(
        self,
        spec: ConvSpec,
        head_init: str,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.head_init = head_init
        self.weight = nn.Parameter(torch.empty(spec.kernel_shape, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Near zero, or zero."""
        nn.init.constant_(self.weight, _NEAR_ZERO if self.head_init == "published" else 0.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, in) to (batch, out * taps, in)."""
        neighbours = self.weight.shape[2]
        padded = F.pad(x, (neighbours // 2, neighbours // 2))
        # (batch, neighbours, in); a convolution of one channel is slower than a product
        columns = padded.unfold(1, neighbours, 1).transpose(1, 2)
        return self.weight.flatten(1) @ columns


class LocalModulation(nn.Module):
    """A logit for each element of a kernel, from the means of neighbouring channels.

    Takes means (batch, in, 1, 1) and returns (batch, out * taps, in).

    Args:
        spec: of the convolution that the attentions are for.
        device: where the parameters live.
        dtype: of the parameters.

    Example:
        >>> spec = FDConvSpec(in_channels=4, out_channels=8, kernel_size=3)
        >>> LocalModulation(spec)(torch.rand(2, 4, 1, 1)).shape
        torch.Size([2, 72, 4])
    """

    def __init__(
        self,
        spec: FDConvSpec,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.conv = LocalTaps(spec.local(), spec.head_init, device, dtype)
        self.norm = build_norm(spec.local_norm(), spec.rank, device, dtype)

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.conv(self.norm(pooled).flatten(1))
        return found
