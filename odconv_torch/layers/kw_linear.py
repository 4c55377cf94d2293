"""A linear layer of KernelWarehouse."""

from __future__ import annotations

import torch
from torch import nn

from odconv_spec import KWLinearSpec
from odconv_torch.layers.dynamic import Device
from odconv_torch.layers.kw_conv import KWConv1d


class KWLinear(nn.Module):
    """A linear layer of KernelWarehouse, https://arxiv.org/abs/2406.07879.

    The classifier of the MobileNetV2 of 1/2x. A `KWConv1d` of one position: the weight of each
    sample is put together of mixtures of cells, which are the layer's own.

    Shapes: (batch, in_channels) to (batch, out_channels). A batch of one trains, on the running
    statistics of the attention's norm.

    Args:
        in_channels: width of the input.
        out_channels: width of the output.
        bias: adds a bias (out,).
        reduction: hidden width of the attention over `in_channels`; it is 16 at least.
        cell_num_ratio: cells over the parts of the weight; a whole number, or one over it.
        cell_inplane_ratio: input channels of a cell over `in_channels`.
        cell_outplane_ratio: output channels of a cell over `out_channels`.
        device: where the parameters live.
        dtype: of the parameters.

    Attributes:
        spec: all options.
        conv: the convolution.

    Raises:
        ValueError: an option is out of range, cells do not fit, or the input has another shape.

    Example:
        >>> KWLinear(64, 10)(torch.rand(2, 64)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        bias: bool = True,
        *,
        reduction: float = 0.0625,
        cell_num_ratio: float = 1.0,
        cell_inplane_ratio: float = 1.0,
        cell_outplane_ratio: float = 1.0,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.spec = KWLinearSpec(
            in_channels,
            out_channels,
            bias,
            reduction,
            cell_num_ratio,
            cell_inplane_ratio,
            cell_outplane_ratio,
        )
        self.conv = KWConv1d.from_spec(self.spec.conv, device=device, dtype=dtype)

    @classmethod
    def from_spec(
        cls, spec: KWLinearSpec, device: Device = None, dtype: torch.dtype | None = None
    ) -> KWLinear:
        """The layer that `spec` describes, with random weights.

        Args:
            spec: all options of the layer.
            device: where the parameters live.
            dtype: of the parameters.

        Returns:
            The layer in training mode.

        Example:
            >>> KWLinear.from_spec(KWLinearSpec(64, 10))(torch.rand(2, 64)).shape
            torch.Size([2, 10])
        """
        return cls(
            spec.in_channels,
            spec.out_channels,
            spec.bias,
            reduction=spec.reduction,
            cell_num_ratio=spec.cell_num_ratio,
            cell_inplane_ratio=spec.cell_inplane_ratio,
            cell_outplane_ratio=spec.cell_outplane_ratio,
            device=device,
            dtype=dtype,
        )

    def attentions(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """The weights of the cells in each part of each sample's weight, for an input (batch, in).

        Returns:
            "mixture", (batch * mixtures, cells).
        """
        return self.conv.attentions(x.unsqueeze(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The layer's output.

        Args:
            x: (batch, in).

        Returns:
            (batch, out).

        Raises:
            ValueError: `x` has other axes or channels.
        """
        if x.dim() != 2 or x.shape[1] != self.spec.in_channels:
            raise ValueError(
                f"KWLinear: expected an input (batch, {self.spec.in_channels}), received "
                f"{tuple(x.shape)}"
            )
        y: torch.Tensor = self.conv(x.unsqueeze(2)).squeeze(2)
        return y
