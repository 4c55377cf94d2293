"""A linear layer of KernelWarehouse."""

from __future__ import annotations

import paddle
from paddle import nn

from odconv_paddle.layers.kw_conv import KWConv1D
from odconv_spec import KWLinearSpec


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class KWLinear(nn.Layer):
    """A linear layer of KernelWarehouse, https://arxiv.org/abs/2406.07879.

    The classifier of the MobileNetV2 of 1/2x. A `KWConv1D` of one position: the weight of each
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

    Attributes:
        spec: all options.
        conv: the convolution.

    Raises:
        ValueError: an option is out of range, cells do not fit, or the input has another shape.

    Example:
        >>> tuple(KWLinear(64, 10)(paddle.rand([2, 64])).shape)
        (2, 10)
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
        self._width = self.spec.in_channels  # plain, because to_static cannot read a dataclass
        self.conv = KWConv1D.from_spec(self.spec.conv)

    @classmethod
    def from_spec(cls, spec: KWLinearSpec) -> KWLinear:
        """The layer that `spec` describes, with random weights.

        Args:
            spec: all options of the layer.

        Returns:
            The layer in training mode.

        Example:
            >>> tuple(KWLinear.from_spec(KWLinearSpec(64, 10))(paddle.rand([2, 64])).shape)
            (2, 10)
        """
        return cls(
            spec.in_channels,
            spec.out_channels,
            spec.bias,
            reduction=spec.reduction,
            cell_num_ratio=spec.cell_num_ratio,
            cell_inplane_ratio=spec.cell_inplane_ratio,
            cell_outplane_ratio=spec.cell_outplane_ratio,
        )

    def attentions(self, x: paddle.Tensor) -> dict[str, paddle.Tensor]:
        """The weights of the cells in each part of each sample's weight, for an input (batch, in).

        Returns:
            "mixture", (batch * mixtures, cells).
        """
        return self.conv.attentions(x.unsqueeze(2))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """The layer's output.

        Args:
            x: (batch, in).

        Returns:
            (batch, out).

        Raises:
            ValueError: `x` has other axes or channels.
        """
        if x.ndim != 2 or x.shape[1] not in (self._width, -1):  # -1 is not yet known
            raise ValueError(
                f"x: expected an input (batch, {self._width}), received the shape {list(x.shape)}"
            )
        return self.conv(x.unsqueeze(2)).squeeze(2)
