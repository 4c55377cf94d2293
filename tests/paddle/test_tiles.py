"""Kernels that are mixed in tiles: the outputs of all at once, where no gradient is recorded."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from canonical import randomised

from odconv_paddle import CondConv2D, DyConv2D, ODConv1D, ODConv2D
from odconv_paddle.layers import tiles

LAYERS = {
    "od": lambda: ODConv2D(6, 35, 3, padding=1, stride=2, bias_attr=True),
    "od oblong": lambda: ODConv2D(6, 35, (3, 2), padding=(1, 0), dilation=(1, 2)),
    "od 1d": lambda: ODConv1D(6, 35, 3, padding=1),
    "od without taps": lambda: ODConv2D(6, 35, 3, attentions=("kernel", "filter")),
    "dy": lambda: DyConv2D(6, 35, 3, padding=1, bias_attr=True),
    "cond": lambda: CondConv2D(6, 35, 3, padding=1, stride=2, mix_bias=False),
}
SIZE = {"od 1d": (9,)}


@pytest.fixture
def tiled(monkeypatch):
    """Tiles of 4 outputs of two samples, however small the kernels; counts the convolutions."""
    calls = []
    conv = tiles.conv_in_tiles
    monkeypatch.setattr(tiles, "_MOST_AT_ONCE", 0)
    monkeypatch.setattr(tiles, "_TILE", 4 * 2 * 6 * 9)
    monkeypatch.setattr(tiles, "conv_in_tiles", lambda *given: calls.append(0) or conv(*given))
    return calls


@pytest.mark.parametrize("name", LAYERS)
def test_tiles_give_what_all_kernels_at_once_give(name, tiled):
    layer = randomised(LAYERS[name]())
    layer.eval()
    x = paddle.to_tensor(
        np.random.default_rng(1).standard_normal((2, 6, *SIZE.get(name, (5, 6)))).astype("float32")
    )
    expected = layer(x)  # a gradient may be asked for
    assert not tiled
    with paddle.no_grad():
        found = layer(x)
    assert len(tiled) == 1
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-4, atol=1e-5)


def test_large_maps_and_groups_have_no_tiles(tiled):
    x = paddle.ones([2, 6, 9, 9])
    with paddle.no_grad():
        ODConv2D(6, 35, 3, padding=1)(x)  # 81 positions, 35 outputs
        ODConv2D(6, 96, 3, padding=1, groups=2)(x)
        ODConv2D(6, 96, 3, padding=1, kernel_num=1)(x)
    assert not tiled
