"""Who may import whom: every import of every package is read, those by string too."""

from __future__ import annotations

import ast
import sys
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.processes import run_process
from tests.spec.imports import FILES, MODULES, OURS, TREES, imported, is_for_checkers, when_loaded

FRAMEWORKS = ("torch", "paddle", "keras", "tensorflow", "jax")
TRAINING = frozenset(("odconv_spec", "odconv_training", "weights_converter", "numpy"))
FREE = frozenset(sys.stdlib_module_names) | {"_typeshed"}  # of type checkers only

# A path below the root -> what may be imported there beside the standard library and itself; the
# longest path that fits counts.
ALLOWED = {
    "odconv": {*OURS, "numpy", "tqdm", "argcomplete"},  # on top of all others
    "odconv/runtimes/onnxruntime.py": {"odconv", "numpy", "onnxruntime"},
    "odconv/runtimes/openvino.py": {"odconv", "numpy", "openvino"},
    "odconv/runtimes/torchscript.py": {"odconv", "numpy", "torch"},
    "odconv/runtimes/pt2.py": {"odconv", "numpy", "torch"},
    "odconv/runtimes/saved_model.py": {"odconv", "numpy", "tensorflow"},
    "odconv/runtimes/litert.py": {"odconv", "numpy", "ai_edge_litert"},
    "odconv/runtimes/paddle.py": {"odconv", "weights_converter", "numpy", "paddle"},
    "odconv/exporting": {*OURS, "numpy", "torch"},
    "odconv/exporting/keras_networks.py": {*OURS, "numpy", "keras"},
    "odconv/exporting/saved_model.py": {*OURS, "keras"},
    "odconv/exporting/litert.py": {*OURS, "keras", "tensorflow"},
    "odconv/exporting/paddle_networks.py": {*OURS, "numpy", "paddle"},
    "odconv/exporting/paddle.py": {*OURS, "paddle"},
    "odconv/exporting/onnx.py": {*OURS, "onnx", "torch"},
    "odconv/exporting/folding.py": {*OURS, "onnx_ir", "onnxscript"},
    "odconv/exporting/biases.py": {"numpy", "onnxscript"},
    "odconv/exporting/means.py": {"numpy", "onnxscript"},
    "odconv/exporting/views.py": {"numpy", "onnxscript"},
    "odconv/exporting/grouped_samples.py": {*OURS, "numpy", "onnxscript"},
    "odconv/exporting/half.py": {"onnx", "onnxruntime"},
    "odconv/exporting/int8.py": {*OURS, "onnx", "onnxruntime"},
    "odconv/exporting/stored_integers.py": {"numpy", "onnx"},
    "odconv/exporting/portable.py": {*OURS, "onnx"},
    "odconv/exporting/openvino.py": {*OURS, "openvino", "torch"},
    "odconv_spec": {"odconv_spec"},
    "odconv_torch": {"odconv_torch", "odconv_spec", "torch"},
    # What NumPy makes is a constant to a tracer, what torch makes is recorded.
    "odconv_torch/layers/forms/columns.py": {"odconv_torch", "torch", "numpy"},
    "odconv_torch/layers/forms/portable.py": {"odconv_torch", "torch", "numpy"},
    "odconv_torch/layers/forms/winograd.py": {"odconv_torch", "torch", "numpy"},
    "odconv_torch/hub.py": {"odconv_torch", "odconv_spec", "weights_converter", "torch"},
    "odconv_torch/models/backbone.py": {
        "odconv_torch",
        "odconv_spec",
        "weights_converter",
        "torch",
    },
    "odconv_torch/lightning.py": {"odconv_torch", "odconv_spec", "torch", "lightning"},
    "odconv_torch/timm.py": {"odconv_torch", "odconv_spec", "torch", "timm"},
    "odconv_torch/detection": {"odconv_torch", "odconv_spec", "torch", "torchvision"},
    "odconv_torch/ultralytics": {"odconv_torch", "odconv_spec", "torch", "thop", "ultralytics"},
    "odconv_paddle": {"odconv_paddle", "odconv_spec", "paddle"},
    "odconv_paddle/hub.py": {"odconv_paddle", "odconv_spec", "weights_converter", "paddle"},
    "odconv_paddle/models/backbone.py": {
        "odconv_paddle",
        "odconv_spec",
        "weights_converter",
        "paddle",
    },
    "odconv_keras": {"odconv_keras", "odconv_spec", "keras"},
    "odconv_keras/hub.py": {"odconv_keras", "odconv_spec", "weights_converter", "keras"},
    "odconv_keras/models/backbone.py": {
        "odconv_keras",
        "odconv_spec",
        "weights_converter",
        "keras",
    },
    "odconv_training": {*TRAINING, "PIL", "sklearn", "tensorboardX", "tqdm"},
    "odconv_training/confusion_picture.py": {
        "odconv_training",
        "weights_converter",
        "numpy",
        "matplotlib",
    },
    "odconv_torch/train": {*TRAINING, "odconv_torch", "torch", "torchvision"},
    "odconv_torch/detect": {*TRAINING, "odconv_torch", "torch", "torchvision"},
    "odconv_training/detection": {*TRAINING, "PIL", "faster_coco_eval"},
    "odconv_paddle/train": {*TRAINING, "odconv_paddle", "paddle"},
    # The order of frequencies is made in the float32 of NumPy, which is the same everywhere.
    "odconv_torch/layers/spectrum.py": {"odconv_torch", "odconv_spec", "numpy", "torch"},
    "odconv_paddle/layers/spectrum.py": {"odconv_paddle", "odconv_spec", "numpy", "paddle"},
    "odconv_keras/layers/spectrum.py": {"odconv_keras", "odconv_spec", "numpy", "keras"},
    "odconv_keras/layers/subsampling_tensorflow.py": {
        "odconv_keras",
        "numpy",
        "keras",
        "tensorflow",
    },
    "odconv_keras/layers/recording_tensorflow.py": {"tensorflow"},
    "odconv_keras/train": {*TRAINING, "odconv_keras", "keras"},
    "odconv_keras/train/images.py": {"odconv_keras", "odconv_training", "numpy", "PIL"},
    "odconv_keras/train/processes_jax.py": {
        "odconv_keras",
        "odconv_training",
        "weights_converter",
        "numpy",
        "keras",
        "jax",
    },
    "odconv_keras/train/processes_tensorflow.py": {
        "odconv_keras",
        "odconv_training",
        "numpy",
        "keras",
        "tensorflow",
    },
    "weights_converter": {"weights_converter", "odconv_spec", "numpy", "h5py"},
    "weights_converter/live/torch_models.py": {
        "weights_converter",
        "odconv_spec",
        "odconv_torch",
        "numpy",
        "torch",
    },
    "weights_converter/live/paddle_models.py": {
        "weights_converter",
        "odconv_spec",
        "odconv_paddle",
        "numpy",
        "paddle",
    },
    "weights_converter/live/keras_models.py": {
        "weights_converter",
        "odconv_spec",
        "odconv_keras",
        "numpy",
        "keras",
    },
    "weights_converter/hub/remote.py": {"weights_converter", "huggingface_hub"},
    "parity_tests": {"parity_tests", "odconv_spec", "numpy"},
    "parity_tests/keras_alone.py": {"parity_tests", "keras"},
    "parity_tests/adapters": {"parity_tests", "odconv_spec", "numpy", "weights_converter"},
    "parity_tests/outputs": {"parity_tests", "odconv_spec", "numpy", "weights_converter"},
    "parity_tests/adapters/torch.py": {
        "parity_tests",
        "odconv_spec",
        "weights_converter",
        "odconv_torch",
        "numpy",
        "torch",
    },
    "parity_tests/adapters/paddle.py": {
        "parity_tests",
        "odconv_spec",
        "weights_converter",
        "odconv_paddle",
        "numpy",
        "paddle",
    },
    "parity_tests/adapters/keras.py": {
        "parity_tests",
        "odconv_spec",
        "weights_converter",
        "odconv_keras",
        "keras",
        "numpy",
    },
    "parity_tests/adapters/keras_tensorflow.py": {"parity_tests", "tensorflow"},
    "parity_tests/adapters/keras_jax.py": {"parity_tests", "jax", "keras"},
    "parity_tests/adapters/keras_torch.py": {"parity_tests", "torch"},
}
# From the bottom to the top: a part imports those below it. The longest path that fits counts.
ORDER = (
    ("odconv_spec",),
    ("odconv_torch/layers", "odconv_paddle/layers", "odconv_keras/layers"),
    ("weights_converter",),  # it sets the temperature of layers
    ("odconv_torch", "odconv_paddle", "odconv_keras"),  # their models save themselves
    ("odconv_training",),
    ("odconv_torch/train", "odconv_paddle/train", "odconv_keras/train"),
    ("odconv_torch/detect",),
    ("parity_tests",),
    ("benchmarks",),
    ("odconv",),
)
LEVELS = {part: level for level, parts in enumerate(ORDER) for part in parts}
# Modules that import something for type checkers only: a way to hide a circle.
FOR_CHECKERS = {
    "odconv",
    "odconv.commands.evaluate",
    "odconv.commands.attend",
    "odconv.commands.predict",
    "odconv.exporting.in_memory",
    "odconv_keras.train.images",
    "weights_converter",
    "weights_converter.formats.hdf5.window",
    "weights_converter.hub.mixin",
}


def part_of(path):
    return max((part for part in LEVELS if path.is_relative_to(part)), key=len)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_are_allowed(path):
    rule = max((r for r in ALLOWED if path.is_relative_to(r)), key=len)
    roots = {name.partition(".")[0] for name in imported(TREES[path])}
    assert roots - FREE - ALLOWED[rule] == set()


@pytest.mark.parametrize("path", FILES, ids=str)
def test_no_package_imports_upwards(path):
    part = part_of(path)
    above = {
        name
        for name in imported(TREES[path])
        if name in MODULES
        if (other := part_of(MODULES[name])) != part and LEVELS[other] >= LEVELS[part]
    }
    assert above == set()


@pytest.mark.parametrize("nodes", [when_loaded, ast.walk], ids=["when_loaded", "anywhere"])
def test_no_modules_import_each_other(nodes):
    """Not even through others, nor inside functions."""
    graph = {
        name: {other for other in imported(TREES[path], nodes) if other in MODULES} - {name}
        for name, path in MODULES.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_what_only_type_checkers_import_is_listed():
    found = {
        name
        for name, path in MODULES.items()
        if any(isinstance(n, ast.If) and is_for_checkers(n) for n in ast.walk(TREES[path]))
    }
    assert found == FOR_CHECKERS


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("import odconv_torch.layers.build", {"odconv_torch.layers.build"}),
        ("from odconv_torch.layers import build", {"odconv_torch.layers.build"}),
        ("from odconv_torch.layers import build_conv", {"odconv_torch.layers"}),
        ("import_module('odconv_torch')", {"odconv_torch"}),
        ("__import__('odconv_spec.conv')", {"odconv_spec.conv"}),
        ("run([executable, '-m', 'odconv_keras.train'])", {"odconv_keras.train"}),
        ("HOMES = {'convert': 'weights_converter.conversion.convert'}",
         {"weights_converter.conversion.convert"}),
        ("import_module(f'odconv_{name}.train.step')",
         {f"odconv_{name}.train.step" for name in ("torch", "paddle", "keras")}),
        ("def f():\n    from odconv_spec import resnet", {"odconv_spec.resnet"}),
        ("missing(error, 'odconv_torch', 'see odconv_torch.layers')", set()),
    ],
)  # fmt: skip
def test_every_way_to_import_is_seen(code, names):
    assert {name for name in imported(ast.parse(code)) if name in MODULES} == names


@pytest.mark.parametrize(
    "package", ["odconv_spec", "odconv_training", "weights_converter", "odconv.main"]
)
def test_no_framework_is_loaded(package):
    code = f"import sys, {package}; print(*sys.modules)"
    run = run_process([sys.executable, "-c", code])
    loaded = set(run.stdout.split())
    assert package in loaded
    assert loaded.isdisjoint(FRAMEWORKS)
