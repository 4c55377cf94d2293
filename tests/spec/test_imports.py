"""Who may import whom: every import statement of every package is read."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FRAMEWORKS = ("torch", "paddle", "keras", "tensorflow", "jax")
OURS = (
    "odconv",
    "odconv_spec",
    "odconv_torch",
    "odconv_paddle",
    "odconv_keras",
    "odconv_training",
    "weights_converter",
    "parity_tests",
)
FREE = frozenset(sys.stdlib_module_names) | {"_typeshed"}  # of type checkers only

# A path below the root -> what may be imported there beside the standard library and itself; the
# longest path that fits counts.
ALLOWED = {
    "odconv": {*OURS, "numpy", "tqdm", "argcomplete"},  # on top of all others
    "odconv_spec": {"odconv_spec"},
    "odconv_torch": {"odconv_torch", "odconv_spec", "torch"},
    "odconv_torch/timm.py": {"odconv_torch", "odconv_spec", "torch", "timm"},
    "odconv_paddle": {"odconv_paddle", "odconv_spec", "paddle"},
    "odconv_keras": {"odconv_keras", "odconv_spec", "keras"},
    "odconv_training": {
        "odconv_training",
        "odconv_spec",
        "weights_converter",
        "numpy",
        "PIL",
        "sklearn",
        "tensorboardX",
        "tqdm",
    },
    "odconv_training/confusion_picture.py": {
        "odconv_training",
        "weights_converter",
        "numpy",
        "matplotlib",
    },
    "odconv_torch/train": {
        "odconv_torch",
        "odconv_spec",
        "odconv_training",
        "weights_converter",
        "numpy",
        "torch",
        "torchvision",
    },
    "odconv_paddle/train": {
        "odconv_paddle",
        "odconv_spec",
        "odconv_training",
        "weights_converter",
        "numpy",
        "paddle",
    },
    "odconv_keras/layers/subsampling_tensorflow.py": {"numpy", "keras", "tensorflow"},
    "odconv_keras/train": {
        "odconv_keras",
        "odconv_spec",
        "odconv_training",
        "weights_converter",
        "numpy",
        "keras",
    },
    "odconv_keras/train/images.py": {"odconv_keras", "odconv_training", "numpy", "keras", "PIL"},
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
    "parity_tests": {"parity_tests", "odconv_spec", "numpy"},
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
    "parity_tests/adapters/keras_jax.py": {"parity_tests", "jax"},
    "parity_tests/adapters/keras_torch.py": {"parity_tests", "torch"},
}
FILES = sorted(path.relative_to(ROOT) for name in OURS for path in (ROOT / name).rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_are_allowed(path):
    rule = max((r for r in ALLOWED if path.is_relative_to(r)), key=len)
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    roots = {name.partition(".")[0] for name in imported(tree)}
    assert roots - FREE - ALLOWED[rule] == set()


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield node.module


@pytest.mark.parametrize(
    "package", ["odconv_spec", "odconv_training", "weights_converter", "odconv.main"]
)
def test_no_framework_is_loaded(package):
    code = f"import sys, {package}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert package in loaded
    assert loaded.isdisjoint(FRAMEWORKS)
