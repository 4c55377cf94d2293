"""Files of weights from when the layers of attentions were Keras' own still load."""

from __future__ import annotations

import h5py
import keras
import numpy as np
from helpers import numpy

from odconv_keras import CondConv2D, DyConv2D, ODConv2D, Routing

# By the path of each weight: its name below "layers/" and its shape in a file of `network`
# that was written when the layers of attentions were `keras.layers.Conv2D`, at commit 958d685.
STORED: dict[str, tuple[str, tuple[int, ...]]] = {
    "od/kernel": ("od_conv2d/vars/0", (2, 3, 3, 4, 6)),
    "od/bias": ("od_conv2d/vars/1", (6,)),
    "od/attention/temperature": ("od_conv2d/attention/vars/0", ()),
    "od/attention/fc/kernel": ("od_conv2d/attention/fc/vars/0", (1, 1, 4, 16)),
    "od/attention/bn/gamma": ("od_conv2d/attention/bn/vars/0", (16,)),
    "od/attention/bn/beta": ("od_conv2d/attention/bn/vars/1", (16,)),
    "od/attention/bn/moving_mean": ("od_conv2d/attention/bn/vars/2", (16,)),
    "od/attention/bn/moving_variance": ("od_conv2d/attention/bn/vars/3", (16,)),
    "od/attention/channel_fc/kernel": ("od_conv2d/attention/channel_fc/vars/0", (1, 1, 16, 4)),
    "od/attention/channel_fc/bias": ("od_conv2d/attention/channel_fc/vars/1", (4,)),
    "od/attention/filter_fc/kernel": ("od_conv2d/attention/filter_fc/vars/0", (1, 1, 16, 6)),
    "od/attention/filter_fc/bias": ("od_conv2d/attention/filter_fc/vars/1", (6,)),
    "od/attention/spatial_fc/kernel": ("od_conv2d/attention/spatial_fc/vars/0", (1, 1, 16, 9)),
    "od/attention/spatial_fc/bias": ("od_conv2d/attention/spatial_fc/vars/1", (9,)),
    "od/attention/kernel_fc/kernel": ("od_conv2d/attention/kernel_fc/vars/0", (1, 1, 16, 2)),
    "od/attention/kernel_fc/bias": ("od_conv2d/attention/kernel_fc/vars/1", (2,)),
    "dy/kernel": ("dy_conv2d/vars/0", (2, 3, 3, 6, 5)),
    "dy/bias": ("dy_conv2d/vars/1", (2, 5)),
    "dy/attention/temperature": ("dy_conv2d/attention/vars/0", ()),
    "dy/attention/fc1/kernel": ("dy_conv2d/attention/fc1/vars/0", (1, 1, 6, 1)),
    "dy/attention/fc2/kernel": ("dy_conv2d/attention/fc2/vars/0", (1, 1, 1, 2)),
    "dy/attention/fc2/bias": ("dy_conv2d/attention/fc2/vars/1", (2,)),
    "cond/kernel": ("cond_conv2d/vars/0", (2, 1, 1, 5, 4)),
    "cond/bias": ("cond_conv2d/vars/1", (2, 4)),
    "cond/routing/kernel": ("cond_conv2d/routing/vars/0", (5, 2)),
    "cond/routing/bias": ("cond_conv2d/routing/vars/1", (2,)),
    "router/kernel": ("routing/vars/0", (5, 2)),
    "router/bias": ("routing/vars/1", (2,)),
    "shared/kernel": ("cond_conv2d_1/vars/0", (2, 1, 1, 4, 3)),
    "shared/bias": ("cond_conv2d_1/vars/1", (2, 3)),
}


def network():
    inputs = keras.Input((9, 7, 4))
    x = ODConv2D(6, 3, kernel_num=2, use_bias=True, name="od")(inputs)
    x = DyConv2D(5, 3, kernel_num=2, name="dy")(x)
    weights = Routing(2, name="router")(x)
    x = CondConv2D(4, 1, strides=2, kernel_num=2, name="cond")(x)
    x = CondConv2D(3, 1, kernel_num=2, router="shared", name="shared")(x, weights)
    return keras.Model(inputs, x)


def test_every_array_of_an_earlier_file_is_found(tmp_path):
    generator = np.random.default_rng(0)
    arrays = {path: generator.random(shape, "float32") for path, (_, shape) in STORED.items()}
    with h5py.File(tmp_path / "old.weights.h5", "w") as file:
        for path, (name, _) in STORED.items():
            file[f"layers/{name}"] = arrays[path]
    model = network()
    model.load_weights(tmp_path / "old.weights.h5")
    assert [w.path for w in model.weights] == list(STORED)
    for weight in model.weights:
        np.testing.assert_array_equal(numpy(weight), arrays[weight.path])


def test_files_are_written_as_ever(tmp_path):
    network().save_weights(tmp_path / "new.weights.h5")
    found = {}
    with h5py.File(tmp_path / "new.weights.h5") as file:
        file["layers"].visititems(
            lambda name, item: (
                found.update({name: item.shape}) if isinstance(item, h5py.Dataset) else None
            )
        )
    assert found == dict(STORED.values())
