"""ShuffleNetV2, https://arxiv.org/abs/1807.11164, with any kind of convolution in its blocks.

Attribute names are those of the published code, because they name the stored arrays, and so are the
starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import paddle
from paddle import nn
from paddle.nn import functional as F
from paddle.nn.initializer import Constant, Normal

from odconv_paddle.layers import build_conv, build_norm
from odconv_paddle.models.backbone import Backbone, Step, sublayer
from odconv_paddle.models.head import build_head
from odconv_paddle.models.sharing import add_shared, shared_by
from odconv_spec import ConvSpec, DynamicConvSpec, NormSpec, ShuffleNetV2Spec, ShuffleSpec, UnitSpec
from odconv_spec.shufflenetv2 import NORM_SHIFT, start_deviation

# Where a block has a convolution and its norm, whether a ReLU follows, and whether the convolution
# takes what the block shares. Plain, because to_static cannot read a named tuple.
Unit = tuple[tuple[str, ...], tuple[str, ...], bool, bool]


@paddle.jit.marker.unified  # to_static records the calls and leaves the source alone
class ShuffleBlock(nn.Layer):
    """A branch of three convolutions, and beside it two others or the half that passes by."""

    def __init__(self, spec: ShuffleSpec) -> None:
        super().__init__()
        self._shared = add_shared(self, spec.shared)
        self._branch = _add_units(self, spec.branch)
        self._beside = _add_units(self, spec.beside)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        kept, seen = (x, x) if self._beside else _parted(x)
        shared = shared_by(self, self._shared, seen)
        beside = self._in_order(self._beside, kept, shared)
        return paddle.concat([beside, self._in_order(self._branch, seen, shared)], 1)

    def _in_order(
        self, units: Sequence[Unit], x: paddle.Tensor, shared: tuple[paddle.Tensor, ...]
    ) -> paddle.Tensor:
        for path, norm_path, activated, takes_shared in units:
            conv, norm = sublayer(self, path), sublayer(self, norm_path)
            x = norm(conv(x, *shared) if takes_shared else conv(x))
            x = F.relu(x) if activated else x
        return x


class ShuffleNetV2(Backbone):
    """The network that a `ShuffleNetV2Spec` describes; see `create_model` for the named ones.

    Takes images (batch, in_channels, height, width) and returns logits (batch, num_classes).

    Args:
        spec: what the network is made of.

    Example:
        >>> tuple(ShuffleNetV2(ShuffleNetV2Spec(num_classes=10))(paddle.rand([1, 3, 32, 32])).shape)
        (1, 10)
    """

    def __init__(self, spec: ShuffleNetV2Spec) -> None:
        super().__init__(spec, _steps(spec))
        self.first_conv = nn.Sequential(*_conv_norm(spec.stem, first=True), nn.ReLU())
        self.maxpool = nn.MaxPool2D(3, stride=2, padding=1)
        self.features = nn.Sequential(*map(ShuffleBlock, spec.blocks()))
        self.conv_last = nn.Sequential(*_conv_norm(spec.last), nn.ReLU())
        self.dropout = nn.Dropout(spec.dropout)
        self.classifier = nn.Sequential(build_head(spec.head))

    def forward_head(self, features: paddle.Tensor) -> paddle.Tensor:
        y = self.classifier(self.dropout(self._pool(features)))
        return y.flatten(1) if self._head_is_conv else y


def _steps(spec: ShuffleNetV2Spec) -> list[Step]:
    stages = {info.name for info in spec.feature_info()}
    names = ["first_conv", "maxpool", *(block.name for block in spec.blocks()), "conv_last"]
    return [(tuple(name.split(".")), name in stages) for name in names]


def _parted(x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
    """The channels of even places, and those of odd ones: each half has some of both branches."""
    even = paddle.arange(0, x.shape[1], 2)
    # No slices with a step, which Paddle differentiates only once.
    return paddle.index_select(x, even, 1), paddle.index_select(x, even + 1, 1)


def _add_units(block: nn.Layer, specs: Sequence[UnitSpec]) -> tuple[Unit, ...]:
    """Adds convolutions and norms at their paths, of which those in a sequence have a dot."""
    for owner, own in groupby(specs, lambda spec: spec.path.rpartition(".")[0]):
        if owner:
            block.add_sublayer(owner, nn.Sequential(*_sequence(own)))
            continue
        for spec in own:
            conv, norm = _conv_norm(spec.conv)
            block.add_sublayer(spec.path, conv)
            block.add_sublayer(spec.norm_path, norm)
    return tuple(
        (
            tuple(spec.path.split(".")),
            tuple(spec.norm_path.split(".")),
            spec.activated,
            spec.conv.takes_shared,
        )
        for spec in specs
    )


def _sequence(specs: Iterable[UnitSpec]) -> Iterator[nn.Layer]:
    for spec in specs:
        yield from _conv_norm(spec.conv)
        if spec.activated:
            yield nn.ReLU()


def _conv_norm(spec: ConvSpec, first: bool = False) -> tuple[nn.Layer, nn.Layer]:
    dynamic = isinstance(spec, DynamicConvSpec)  # which has a start of its own
    conv = build_conv(spec, None if dynamic else Normal(0.0, start_deviation(spec, first)))
    return conv, build_norm(NormSpec(spec.out_channels), spec.rank, Constant(NORM_SHIFT))
