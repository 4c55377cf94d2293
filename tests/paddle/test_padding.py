"""Every way in which Paddle writes a padding, against padding by hand."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from canonical import LAYERS, randomised
from paddle.nn import functional as F

from odconv_paddle import ODConv2D

FORMS = [
    # rank, padding, zeros (before, after) each axis
    (1, [2], [(2, 2)]),
    (1, [2, 1], [(2, 1)]),
    (1, [[0, 0], [0, 0], [2, 1]], [(2, 1)]),
    (2, 1, [(1, 1), (1, 1)]),
    (2, [1, 2], [(1, 1), (2, 2)]),
    (2, [0, 1, 2, 3], [(0, 1), (2, 3)]),
    (2, [[0, 0], [0, 0], [0, 1], [2, 3]], [(0, 1), (2, 3)]),
    (2, ((0, 1), (2, 3)), [(0, 1), (2, 3)]),
    (2, "VALID", [(0, 0), (0, 0)]),
    (2, "Same", [(1, 2), (2, 2)]),
    (3, [0, 1, 2, 3, 1, 0], [(0, 1), (2, 3), (1, 0)]),
    (3, [[0, 0], [0, 0], [0, 1], [2, 3], [1, 0]], [(0, 1), (2, 3), (1, 0)]),
]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("kernel_num", [1, 3])
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(("rank", "padding", "pairs"), FORMS)
def test_equals_padding_by_hand(rank, padding, pairs, batch, kernel_num):
    kernel, dilation = ((4, 3, 2)[:rank], 1) if padding != "Same" else ((4, 3), (1, 2))
    make = LAYERS["od"][rank - 1]
    layer = randomised(make(4, 6, kernel, 1, padding, dilation, 2, kernel_num=kernel_num))
    bare = make(4, 6, kernel, 1, 0, dilation, 2, kernel_num=kernel_num)
    bare.set_state_dict(layer.state_dict())
    assert layer.spec.pads == tuple(pairs)
    x = paddle.randn([batch, 4, *(5, 6, 7)[:rank]])
    # The attention is of the input without its padding.
    bare.attention.forward = lambda padded: layer.attention(x)
    layer.eval()
    padded = F.pad(x, [side for pair in reversed(pairs) for side in pair])
    np.testing.assert_allclose(layer(x), bare(padded), rtol=1e-12, atol=1e-12)
    if padding == "Same":
        assert layer(x).shape[2:] == x.shape[2:]


def test_pairs_for_all_axes_follow_the_data_format():
    pairs = [[0, 0], [1, 2], [3, 4], [0, 0]]
    assert ODConv2D(4, 6, 3, padding=pairs, data_format="NHWC").spec.pads == ((1, 2), (3, 4))
    with pytest.raises(ValueError, match="expected zeros for the batch and the channels"):
        ODConv2D(4, 6, 3, padding=pairs)


@pytest.mark.parametrize(
    ("padding", "stride", "message"),
    [
        ("SAME", 2, "padding='same': expected stride 1, received stride=.*as numbers"),
        ("FULL", 1, "padding: expected one of 'valid', 'same', received 'full'"),
        (-1, 1, "padding: expected a whole number >= 0, received -1"),
        ([1, 2, 3], 1, "padding: expected .* received"),
        (None, 1, "padding: expected .* received None"),
    ],
)
def test_wrong_paddings(padding, stride, message):
    with pytest.raises(ValueError, match=message):
        ODConv2D(4, 6, 3, stride, padding)
