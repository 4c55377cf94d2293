"""The frequency bands of a map, each scaled at each position."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from odconv_spec import FDConvSpec
from odconv_spec.fd_conv import BAND_LIMITS, BAND_MASK


class BandWeight(nn.Module):
    """The arrays of a 3x3 convolution that gives a band's weights, (1, in, 3, 3) and (1,).

    It is no `torch.nn.Conv2d`, as code that replaces or quantises those shall leave it.
    """

    def __init__(
        self,
        spec: FDConvSpec,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.head_init = spec.head_init
        self.spec = spec.band_weight()
        self.weight = nn.Parameter(torch.empty(self.spec.kernel_shape, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(1, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Near zero, or zero."""
        nn.init.normal_(self.weight, std=1e-6 if self.head_init == "published" else 0.0)
        nn.init.zeros_(self.bias)


class FrequencyBands(nn.Module):
    """Cuts a map into four bands and scales all but the lowest by a factor at each position.

    A low-pass is a circular convolution: what leaves the map on one side comes in on the other.

    Args:
        spec: of the convolution that sees the map.
        device: where the parameters live.
        dtype: of the parameters.

    Example:
        >>> spec = FDConvSpec(in_channels=4, out_channels=8, kernel_size=3)
        >>> FrequencyBands(spec)(torch.rand(2, 4, 8, 9)).shape
        torch.Size([2, 4, 8, 9])
    """

    def __init__(
        self,
        spec: FDConvSpec,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.freq_weight_conv_list = nn.ModuleList(
            BandWeight(spec, device, dtype) for _ in BAND_LIMITS
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, in, height, width) to the same."""
        layers: Iterable[Any] = self.freq_weight_conv_list
        weights = torch.cat([layer.weight for layer in layers])
        biases = torch.cat([layer.bias for layer in layers])
        # (batch, 1, height, width) of each band, of which the last passes as it is
        gates = [*(2 * F.conv2d(x, weights, biases, padding=1).sigmoid()).split(1, dim=1), 1.0]
        wide = x.to(torch.promote_types(x.dtype, torch.float32))  # half precision has no transform
        y = wide * gates[0]
        for low, above, below in zip(_lows(wide), gates, gates[1:], strict=False):
            y = y + low * (below - above)
        return y.to(x.dtype)


def _lows(x: torch.Tensor) -> list[torch.Tensor]:
    """The map without the frequencies above each limit."""
    height, width = x.shape[2:]
    spectrum = torch.fft.rfft2(x)
    rows, columns = _kept_rows(height, x.device), _kept_columns(width // 2 + 1, x.device)
    return [
        torch.fft.irfft2(spectrum * (row[:, None] & column), s=(height, width))
        for row, column in zip(rows, columns, strict=True)
    ]


def _kept_rows(count: int, device: torch.device) -> torch.Tensor:
    """(bands, rows): whether a row of the spectrum passes."""
    places = _stretched(BAND_MASK[0], count, device)
    return _below_limits(torch.minimum(places, BAND_MASK[0] - places))


def _kept_columns(count: int, device: torch.device) -> torch.Tensor:
    return _below_limits(_stretched(BAND_MASK[1], count, device))


def _below_limits(frequencies: torch.Tensor) -> torch.Tensor:
    return torch.stack([frequencies <= limit for limit in BAND_LIMITS])


def _stretched(source: int, count: int, device: torch.device) -> torch.Tensor:
    """Which element of `source` stands at each of `count` places, as in F.interpolate."""
    places = torch.arange(count, device=device, dtype=torch.float32)
    return (places * (source / count)).floor().clamp(max=source - 1)
