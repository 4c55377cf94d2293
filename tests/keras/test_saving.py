"""Configs and files: Keras' own formats, the names in them, and a process that starts afresh."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from helpers import LAYERS, assign, fill, numpy, run, to_keras, variable
from small import SMALL, small

from odconv_keras import CondConv2D, DyConv2D, ODConv2D, Routing, create_model
from odconv_keras.layers import Chain, ODAttention
from odconv_spec import Role
from parity_tests.reference import random_arrays
from tests.processes import run_process

SLOTS = {
    Role.CONV_KERNEL: 0,
    Role.EXPERT_KERNELS: 0,
    Role.LINEAR_KERNEL: 0,
    Role.EXPERT_BIASES: 1,
    Role.BIAS: 1,
    Role.NORM_SCALE: 0,
    Role.NORM_SHIFT: 1,
    Role.NORM_MEAN: 2,
    Role.NORM_VARIANCE: 3,
}
ROOT = Path(__file__).parents[2]
FRESH = """
import json, sys, numpy as np, keras
import odconv_keras
from odconv_keras import create_model
folder, name, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
x = np.load(f"{folder}/x.npy")
model = keras.models.load_model(f"{folder}/model.keras")
np.save(f"{folder}/from_keras.npy", model.predict(x, verbose=0))
model = create_model(name, **options)
model.load_weights(f"{folder}/model.weights.h5")
np.save(f"{folder}/from_weights.npy", model.predict(x, verbose=0))
model = keras.models.load_model(f"{folder}/layers.keras")
np.save(f"{folder}/from_layers.npy", model.predict(x, verbose=0))
"""
LATE = """
import sys, keras
try:
    keras.models.load_model(sys.argv[1])
except TypeError as error:
    assert "Could not locate class" in str(error) and "odconv_keras" in str(error), error
else:
    raise AssertionError("Keras finds the class by itself: say so in docs/tools-keras.md")
import odconv_keras
keras.models.load_model(sys.argv[1])
"""
EVERYTHING = {
    "strides": 2,
    "padding": ((1, 0), (2, 1)),
    "data_format": "channels_last",
    "groups": 2,
    "activation": "relu",
    "use_bias": True,
    "kernel_initializer": keras.initializers.HeNormal(seed=3),
    "bias_initializer": "ones",
    "kernel_regularizer": keras.regularizers.L2(1e-3),
    "bias_regularizer": keras.regularizers.L1(1e-3),
    "activity_regularizer": keras.regularizers.L2(1e-4),
    "kernel_constraint": keras.constraints.MaxNorm(2),
    "bias_constraint": keras.constraints.NonNeg(),
    "kernel_num": 2,
    "head_init": "published",
    "name": "everything",
    "dtype": "mixed_bfloat16",
}


KINDS = {
    "od": (
        LAYERS["od"],
        {
            "reduction": 0.5,
            "min_channels": 3,
            "attentions": ("channel", "kernel"),
            "spatial_activation": "softmax",
            "attention_sharing": False,
            "norm": "layer",
        },
    ),
    "dy": (
        LAYERS["dy"],
        {
            "reduction": 0.5,
            "hidden_rule": "plus_one",
            "hidden_channels": 3,
            "fc1_bias": True,
            "fc2_bias": False,
        },
    ),
    "cond": (LAYERS["cond"], {"router": "own", "mix_bias": False}),
}


def filled(model, seed=3):
    assign(model, model.spec.parameters(), random_arrays(model.spec.parameters(), seed))
    return model


@pytest.mark.parametrize("name", SMALL)
def test_names_in_a_weights_file_are_the_canonical_ones(name, tmp_path):
    model = filled(small(name, dropout=0.2))
    model.set_temperature(7.0)
    model.save_weights(tmp_path / "m.weights.h5")
    expected = {}
    for parameter in model.spec.parameters():
        owner = parameter.name.rpartition(".")[0].replace(".", "/")
        array = numpy(variable(model, parameter))
        expected[f"{owner}/vars/{SLOTS[parameter.role]}"] = array
        if owner.endswith(("attention/fc", "attention/fc1")):
            expected[f"{owner.rpartition('/')[0]}/vars/0"] = np.float32(7)  # the temperature
    found = {}
    with h5py.File(tmp_path / "m.weights.h5") as file:
        file.visititems(
            lambda path, item: (
                found.update({path: item[()]}) if isinstance(item, h5py.Dataset) else None
            )
        )
    assert sorted(found) == sorted(expected)
    for path, array in expected.items():
        np.testing.assert_array_equal(found[path], array, err_msg=path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["od_resnet18", "cond_mobilenetv2_050"])
def test_a_fresh_process_gives_the_same_numbers(name, tmp_path):
    options = SMALL[name] | {"num_classes": 5, "head_init": "published"}
    model = filled(create_model(name, **options))
    model.set_temperature(3.0)
    x = np.random.default_rng(0).random((2, 33, 40, 3), "float32")
    np.save(tmp_path / "x.npy", x)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    layers = every_kind()
    layers.save(tmp_path / "layers.keras")
    command = [sys.executable, "-c", FRESH, str(tmp_path), name, json.dumps(options)]
    run_process(command)
    expected = model.predict(x, verbose=0)
    for kind in ("keras", "weights"):
        np.testing.assert_array_equal(np.load(tmp_path / f"from_{kind}.npy"), expected)
    features = layers.predict(x, verbose=0)
    np.testing.assert_array_equal(np.load(tmp_path / "from_layers.npy"), features)


@pytest.mark.slow
def test_a_file_is_read_once_the_package_is_imported(tmp_path):
    small("od_resnet18").save(tmp_path / "m.keras")
    command = [sys.executable, "-c", LATE, str(tmp_path / "m.keras")]
    run_process(command)


def every_kind():
    """A functional model of every layer, a shared router and a backbone without its head."""
    inputs = keras.Input((None, None, 3))
    y = ODConv2D(6, 3, padding=((1, 0), (2, 1)), attention_sharing=False, norm="layer")(inputs)
    routing = Routing(3)(y)
    y = CondConv2D(6, 3, kernel_num=3, router="shared", groups=2)(y, routing)
    y = DyConv2D(6, 3, hidden_rule="plus_one", strides=2, activation="relu")(y)
    y = CondConv2D(3, 1, kernel_num=2, mix_bias=False)(y)
    return fill(keras.Model(inputs, small("od_mobilenetv2_050").forward_features(y)))


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_config_of_a_layer_keeps_every_option(kind, rank):
    classes, own = KINDS[kind]
    options = EVERYTHING | own | ({} if rank == 2 else {"padding": "same"})
    first = classes[rank - 1](4, 3, **options)
    config = keras.saving.serialize_keras_object(first)
    second = keras.saving.deserialize_keras_object(config)
    assert type(second) is classes[rank - 1]
    assert second.get_config() == first.get_config()
    assert {*own, "kernel_num", "head_init"} == set(second.option_names())
    for name in (*own, "kernel_num", "head_init", "groups", "use_bias"):
        assert second.get_config()[name] == options[name]
    assert (second.name, second.dtype_policy.name) == ("everything", "mixed_bfloat16")
    second.build((None, *[9] * rank, 4))
    weights = {"kernel": second.kernel, "bias": second.bias}
    for name, weight in weights.items():
        for use in ("constraint", "regularizer"):
            assert type(getattr(weight, use)) is type(options[f"{name}_{use}"])
    assert (numpy(second.bias) == 1).all()
    assert second.strides == (2,) * rank
    assert second.activation is keras.activations.relu
    second(np.ones((2, *[9] * rank, 4), "float32"))
    assert len(second.losses) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_config_is_plain_json_and_the_clone_computes_the_same(kind, tmp_path):
    classes, own = KINDS[kind]
    inputs = keras.Input((9, 8, 4))
    options = EVERYTHING | own | {"dtype": "float32"}
    model = fill(keras.Model(inputs, classes[1](4, 3, **options)(inputs)))
    twin = keras.models.model_from_json(model.to_json())
    clone = keras.models.clone_model(model)
    model.save_weights(tmp_path / "m.weights.h5")
    x = np.random.default_rng(0).random((2, 9, 8, 4), "float32")
    for copy in (twin, clone):
        copy.load_weights(tmp_path / "m.weights.h5")
        np.testing.assert_array_equal(run(copy, x), run(model, x))


@pytest.mark.parametrize("name", ["cond_resnet18", "od_mobilenetv2_050"])
def test_config_of_a_model(name):
    model = small(name, dropout=0.3, data_format="channels_first", dtype="mixed_bfloat16")
    twin = type(model).from_config(model.get_config())
    assert twin.spec == model.spec
    assert twin.get_config() == model.get_config()
    clone = keras.models.clone_model(model)
    assert [w.shape for w in clone.weights] == [w.shape for w in model.weights]


@pytest.mark.parametrize("kind", [ODConv2D, DyConv2D])
def test_config_of_an_attention(kind):
    layer = kind(4, 3)
    layer.build((None, 8, 8, 6))
    twin = type(layer.attention).from_config(layer.attention.get_config())
    assert twin.spec == layer.spec


def test_config_of_a_chain():
    chain = Chain([ODConv2D(4, 3), keras.layers.ReLU()])
    twin = Chain.from_config(chain.get_config())
    assert twin.get_config() == chain.get_config()


def test_a_spec_in_a_config_names_nothing_but_specs():
    config = {"name": "attention", "spec": {"spec": "under", "prefix": "x", "parameters": []}}
    with pytest.raises(ValueError, match="expected the name of a spec in odconv_spec"):
        ODAttention.from_config(config)


def test_wrong_arrays_do_not_load(tmp_path):
    small("od_resnet18", kernel_num=2).save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(ValueError):
        small("od_resnet18", kernel_num=3).load_weights(tmp_path / "m.weights.h5")


def test_kernel_order_of_the_bank():
    """(kernel_num, out, in, height, width) is stored as (kernel_num, height, width, in, out)."""
    array = np.arange(2 * 3 * 4 * 5 * 6).reshape(2, 3, 4, 5, 6)
    stored = to_keras(Role.EXPERT_KERNELS, array)
    np.testing.assert_array_equal(stored, array.transpose(0, 3, 4, 2, 1))
