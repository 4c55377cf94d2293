"""`model.export` to SavedModel, LiteRT and OpenVINO: the same outputs at any number of samples."""

from __future__ import annotations

from functools import partial

import keras
import numpy as np
import pytest
from helpers import numpy

from odconv.exporting.export import export
from odconv.runtimes import open_exported
from odconv_keras import recording
from odconv_keras.layers import build_layer
from odconv_spec import (
    CBAMSpec,
    CondConvSpec,
    DyConvSpec,
    EfficientChannelAttentionSpec,
    ODConvSpec,
    SqueezeExcitationSpec,
    model_spec,
)
from odconv_spec.choice import KINDS
from parity_tests.reference import random_arrays
from tests.converter.helpers import arrays_of, save
from weights_converter import assign
from weights_converter.errors import UsageError

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
pytestmark = pytest.mark.skipif(not ON_TENSORFLOW, reason="TensorFlow writes these files")
if ON_TENSORFLOW:
    import tensorflow as tf

_WIDE = {"in_channels": 8, "out_channels": 6, "kernel_size": 3, "padding": 1}
_DEEP = _WIDE | {"out_channels": 8, "groups": 8, "stride": 2}
_POINT = {"in_channels": 8, "out_channels": 6, "kernel_size": 1}
LAYERS = {
    "od": ODConvSpec(**_WIDE, bias=True),
    "od depthwise": ODConvSpec(**_DEEP),
    "od grouped": ODConvSpec(**_WIDE | {"groups": 2, "stride": 2}),
    "od dilated": ODConvSpec(**_WIDE | {"stride": 2, "dilation": 2}),
    "od own attentions": ODConvSpec(**_WIDE, attention_sharing=False),
    "od softmax": ODConvSpec(**_WIDE, spatial_activation="softmax", norm="layer"),
    "od single kernel": ODConvSpec(**_WIDE, kernel_num=1),
    "od pointwise": ODConvSpec(**_POINT, stride=2),
    "dy": DyConvSpec(**_WIDE),
    "dy depthwise": DyConvSpec(**_DEEP),
    "cond": CondConvSpec(**_WIDE),
    "cond depthwise": CondConvSpec(**_DEEP, bias=True),
    "cgc": KINDS["cgc"](**_WIDE),
    "dcd": KINDS["dcd"](**_WIDE),
    "dcd pointwise": KINDS["dcd"](**_POINT),
    "kw": KINDS["kw"](**_WIDE),
    "kw depthwise": KINDS["kw"](**_DEEP),
    "we": KINDS["we"](**_WIDE),
    "weightnet": KINDS["weightnet"](**_WIDE),
    "weightnet depthwise": KINDS["weightnet"](**_DEEP),
    "se": SqueezeExcitationSpec(channels=8),
    "cbam": CBAMSpec(channels=8, kernel_size=3),
    "eca": EfficientChannelAttentionSpec(channels=8),
}
FOURIER = {"fdconv": KINDS["fdconv"](**_WIDE, kernel_num=3)}  # only TensorFlow has transforms
FILES = {"tf_saved_model": "saved_model", "litert": "tflite", "openvino": "xml"}
SIZE = (9, 10)


@pytest.mark.parametrize(
    ("form", "layers"),
    [
        ("litert", ["od", "od depthwise", "cond", "cgc", "kw"]),
        pytest.param("litert", list(LAYERS), marks=pytest.mark.slow),
        pytest.param("openvino", list(LAYERS), marks=pytest.mark.slow),
        pytest.param("tf_saved_model", [*LAYERS, *FOURIER], marks=pytest.mark.slow),
    ],
    ids=["some", "litert", "openvino", "saved_model"],
)
def test_layers(tmp_path, form, layers):
    """All in one network, side by side: a file takes long to write."""
    built = [built_layer((LAYERS | FOURIER)[name]) for name in layers]
    images = keras.Input((*SIZE, 8))
    model = keras.Model(images, [layer(images) for layer in built])
    path = tmp_path / f"model.{FILES[form]}"
    model.export(str(path), format=form, verbose=False)
    network = player(path)
    for batch in (1, 3, 2):
        x = np.random.default_rng(batch).standard_normal((batch, *SIZE, 8)).astype("float32")
        for name, layer, found in zip(layers, built, network(x), strict=True):
            expected = numpy(layer(x))
            np.testing.assert_allclose(
                found, expected, rtol=0, atol=1e-6 * np.abs(expected).max(), err_msg=name
            )


@pytest.mark.slow
@pytest.mark.parametrize(("rank", "size"), [(1, (9,)), (3, (5, 6, 4))])
@pytest.mark.parametrize("kind", ["od", "dy", "cond", "cgc", "dcd", "kw", "we", "weightnet"])
def test_other_ranks(tmp_path, kind, rank, size):
    layer = built_layer(KINDS[kind](**_WIDE, rank=rank))
    images = keras.Input((*size, 8))
    path = tmp_path / "model.tflite"
    keras.Model(images, layer(images)).export(str(path), format="litert", verbose=False)
    x = np.random.default_rng(0).standard_normal((3, *size, 8)).astype("float32")
    (found,) = litert(path)(x)
    np.testing.assert_allclose(found, numpy(layer(x)), rtol=1e-5, atol=1e-5)


def built_layer(spec):
    """A layer with random arrays, whose samples have different attentions."""
    layer = build_layer(spec)
    layer.build((None, *(None,) * getattr(spec, "rank", 2), 8))
    assign(layer, random_arrays(spec.parameters(), 1, "float32"))
    return layer


def player(path):
    """What a file gives for images with channels last, a list of arrays."""
    if path.suffix == ".xml":
        return openvino(path)
    return litert(path) if path.suffix == ".tflite" else saved_model(path)


def litert(path):
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(model_path=str(path)).get_signature_runner()
    (name,) = run.get_input_details()
    return lambda x: in_order(run(**{name: x}))


def openvino(path):
    import openvino

    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(str(path), "CPU", exact)
    # Outputs are in the order of their names, of which the tenth stands before the second.
    names = sorted(range(len(model.outputs)), key=str)
    places = [names.index(number) for number in range(len(names))]
    return lambda x: [found[place] for found in [model([x])] for place in places]


def saved_model(path):
    loaded = tf.saved_model.load(str(path))
    return lambda x: [y.numpy() for y in loaded.serve(x)]


def in_order(found):
    return [found[name] for name in sorted(found, key=lambda name: int(name.rpartition("_")[2]))]


def test_only_what_is_recorded_for_a_file_has_no_loop():
    # A layer loops over the samples on processors alone, so that there is nothing to leave out.
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("on a GPU no layer loops over the samples, so that there is nothing to see")
    layer = built_layer(LAYERS["od"])

    def step(x):
        return layer(x)

    def __call__(x):  # the name of what `Model.export` records
        return layer(x)

    def kept(x):
        with recording():
            return layer(x)

    assert [has_loop(function) for function in (step, __call__, kept)] == [True, False, False]


def test_a_known_batch_is_written_out():
    layer = built_layer(LAYERS["od"])

    def step(x):
        return layer(x)

    assert [has_loop(step, batch) for batch in (None, 1, 3, 32, 33)] == [True, *[False] * 3, True]


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("kind", ["od", "dy", "od depthwise", "od grouped"])
def test_a_known_batch_has_the_gradients_of_any_batch(kind, jit_compile):
    layer = built_layer(LAYERS[kind])
    variables = [variable.value for variable in layer.trainable_variables]

    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=False)
        return y, *tape.gradient(y, [x, *variables])

    x = tf.constant(np.random.default_rng(0).standard_normal((3, *SIZE, 8)), "float32")
    known, unknown = (
        tf.function(step, input_signature=[tf.TensorSpec((batch, *SIZE, 8))], jit_compile=jit)
        for batch, jit in ((3, jit_compile), (None, False))
    )
    for found, expected in zip(known(x), unknown(x), strict=True):
        np.testing.assert_allclose(numpy(found), numpy(expected), rtol=1e-4, atol=1e-4)


def has_loop(function, batch=None):
    images = tf.TensorSpec((batch, *SIZE, 8))
    recorded = tf.function(function, autograph=False, input_signature=[images])
    graph = recorded.get_concrete_function().graph.as_graph_def()
    return any("While" in node.op for node in graph.node)


def test_a_batch_of_one_is_an_ordinary_convolution():
    layer = built_layer(LAYERS["od"])

    def single(x):
        with recording("single"):
            return layer(x)

    images = tf.TensorSpec((1, *SIZE, 8))
    recorded = tf.function(single, autograph=False, input_signature=[images])
    operations = [op.type for op in recorded.get_concrete_function().graph.get_operations()]
    assert operations.count("Conv2D") == 1
    assert not {"BatchMatMulV2", "While", "StatelessWhile"} & set(operations)
    x = np.random.default_rng(0).standard_normal((1, *SIZE, 8)).astype("float32")
    np.testing.assert_allclose(numpy(recorded(x)), numpy(layer(x)), rtol=1e-5, atol=1e-6)


def test_a_form_that_there_is_not():
    with pytest.raises(ValueError, match=r"form: expected one of .*, received 'portable'"):
        recording("portable").__enter__()


SMALL = {"stages": ((8, 1), (12, 1)), "stem_channels": 8, "num_classes": 5}


@pytest.fixture
def exported(tmp_path):
    """What `odconv export` makes of a small checkpoint of PyTorch, of a name and by options."""
    return partial(export_of, tmp_path, SMALL)


def export_of(folder, network, name, **options):
    spec = model_spec("od_resnet18", **network)
    source = folder / "best.pth"
    if not source.exists():
        save(source, spec, arrays_of(spec))
    return export(source, folder / name, size=(32, 64), **options)


@pytest.mark.parametrize("name", ["model.tflite", "model.saved_model"])
def test_a_checkpoint(exported, name, tmp_path):
    found = exported(name)
    assert [trial.batch for trial in found.proof.trials] == [1, 2, 5]
    assert found.proof.difference < 2e-6
    network = open_exported(tmp_path / name)
    assert network.shape == (None, 3, 32, 64)
    assert network.metadata == found.job.metadata
    beside = {"model.tflite": {"model.tflite.json"}}.get(name, set())
    assert {file.name for file in tmp_path.iterdir()} == {"best.pth", name, *beside}


@pytest.mark.slow
def test_a_checkpoint_in_half_precision(tmp_path):
    wide = SMALL | {"stages": ((64, 1), (64, 1))}  # whose arrays are most of the file
    whole = export_of(tmp_path, wide, "whole.tflite")
    half = export_of(tmp_path, wide, "half.tflite", half=True)
    assert 1e-6 < half.proof.difference < 1e-2
    assert half.nbytes < 0.6 * whole.nbytes


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model.tflite", "model.saved_model"])
def test_the_rest_of_a_job(exported, name, tmp_path):
    """Probabilities of one image that the graph normalises; maps of images of any size."""
    options = {"mean": (0.1, 0.2, 0.3), "std": 0.5, "mean_std": "graph", "softmax": True}
    assert exported(name, form="single", **options).proof.difference < 1e-5
    assert open_exported(tmp_path / name).shape == (1, 3, 32, 64)
    found = exported(name, features=(1, 2), dynamic_size=True, overwrite=True)
    assert found.proof.difference < 1e-5
    assert open_exported(tmp_path / name).shape == (None, 3, None, None)


def test_another_backend(exported, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", partial(str, "jax"))
    with pytest.raises(UsageError, match=r"expected Keras on TensorFlow, received .* 'jax'"):
        exported("model.tflite")
