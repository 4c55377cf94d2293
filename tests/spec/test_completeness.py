"""Names what is missing after a convolution, a backbone or a runtime was added somewhere."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

from odconv_spec import ConvSpec, list_models, model_spec
from odconv_spec.choice import KINDS, conv_options
from odconv_spec.models import FAMILIES
from odconv_spec.recalibrations import RECALIBRATIONS
from parity_tests.layer_cases import layer_cases
from parity_tests.network_cases import backbone_cases, step_cases
from parity_tests.runtimes import RUNTIMES
from parity_tests.sweep import USUAL, sweep_cases

ROOT = Path(__file__).parents[2]
FORMS = ROOT / "odconv_torch" / "layers" / "forms"
DETECTION = [
    path.relative_to(ROOT / "odconv_torch")
    for name in ("detect", "detection")
    for path in (ROOT / "odconv_torch" / name).glob("*.py")
]
INFERENCE = ROOT / "odconv_torch" / "tools" / "inference"  # the others compile what they infer
NATIVE = ROOT / "odconv_torch" / "native"
ULTRALYTICS = ROOT / "odconv_torch" / "ultralytics"
PACKAGES = {"odconv_torch": "d", "odconv_paddle": "D", "odconv_keras": "D"}
DYNAMIC = [kind for kind in KINDS if kind != "static"]


def exported(package):
    tree = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8"))
    lists = [
        n.value for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == "__all__"
    ]
    return ast.literal_eval(lists[0])


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_export_every_model_and_layer(package):
    layers = [
        f"{KINDS[kind].__name__.removesuffix('Spec')}{rank}{PACKAGES[package]}"
        for kind in DYNAMIC
        for rank in KINDS[kind].ranks
    ]
    layers += [spec.__name__.removesuffix("Spec") for spec in RECALIBRATIONS.values()]
    tools = {"Features", "fuse", "replace_convs", "set_temperature"}
    wanted = {*layers, *tools, "create_model", "list_models"}
    assert wanted - set(exported(package)) == set()


def test_packages_have_parallel_files():
    """A file that only one package needs is named here, so that the list stays short."""
    own = {
        "odconv_keras": {
            "layers/chain.py",
            "layers/conv.py",
            "layers/data_format.py",
            "layers/image_normalization.py",  # preprocessing inside a saved model is Keras' habit
            "layers/linear.py",
            "layers/pooling_layers.py",  # a step of a functional model is a layer
            "layers/precision.py",
            "layers/recording.py",  # PyTorch and Paddle tell when they record a graph
            "layers/recording_tensorflow.py",
            "layers/sizes.py",
            "layers/spec_config.py",
            "layers/static_conv.py",
            "layers/subsampling.py",  # a convolution of oneDNN that may end the process
            "layers/subsampling_tensorflow.py",
            "models/feature_maps.py",  # of a functional model any can be an output
            "models/graph.py",  # functional models
            "models/habits.py",  # in odconv_paddle two words, in models/factory.py
            "tools/sublayers.py",
            "train/images.py",  # the others' frameworks bring transforms of images
            "train/optimizer.py",  # Keras and Paddle have no SGD by PyTorch's rule
            "train/processes_jax.py",
            "train/processes_tensorflow.py",
        },
        "odconv_paddle": {
            "layers/data_format.py",  # PyTorch has channels second only
            "layers/differentiable.py",  # Paddle differentiates some operations once only
            "layers/per_sample.py",  # in odconv_keras it is layers/conv.py
            "layers/scaled.py",  # in odconv_torch it is one of the forms
            "layers/tiles.py",  # there, too
            "models/freezing.py",  # what is frozen in Paddle must be remembered to be thawed
            "train/optimizer.py",
            "train/sync_norm.py",  # in odconv_keras each kind of processes has its own
        },
        "odconv_torch": {
            "calibrate.py",  # the other packages choose a form by a fixed rule
            *map(str, DETECTION),  # torchvision's
            "flops.py",  # counters that hook modules
            "layers/attentions.py",
            "layers/attending.py",  # compiled
            "layers/leaf.py",  # tracers of torch.fx
            "layers/memory_format.py",  # the other packages take a layout when a layer is made
            "layers/watching.py",  # hooks, which only torch's layers have everywhere
            "layers/window.py",
            "lightning.py",
            *(f"native/{path.name}" for path in NATIVE.glob("*.py")),  # compiled
            "models/conv_norm.py",  # in place, which only torch lets a caller choose
            "parsers.py",  # of calibrate and native
            "timm.py",
            "tools/rebuilt.py",  # trainers that build a network anew
            "tools/strategy.py",
            *(f"tools/inference/{path.name}" for path in INFERENCE.glob("*.py")),
            *(f"ultralytics/{path.relative_to(ULTRALYTICS)}" for path in ULTRALYTICS.rglob("*.py")),
            "train/sync_norm.py",
            *(f"layers/forms/{path.name}" for path in FORMS.glob("*.py")),
        },
    }
    files = {
        package: {str(p.relative_to(ROOT / package)) for p in (ROOT / package).rglob("*.py")}
        - own[package]
        for package in PACKAGES
    }
    assert files["odconv_torch"] == files["odconv_paddle"] == files["odconv_keras"]


def test_every_kind_of_layer_is_compared():
    compared = {type(case.problem.spec) for case in layer_cases()}
    assert {KINDS[kind] for kind in DYNAMIC} | {*RECALIBRATIONS.values()} <= compared


def test_every_backbone_is_compared_and_every_family_and_kind_trained():
    assert {case.name for case in backbone_cases()} == {*list_models(), "last-map"}
    trained = {(c.problem.spec.family, c.problem.spec.conv.kind) for c in step_cases()}
    assert {family for family, _ in trained} == set(FAMILIES)
    assert {kind for _, kind in trained} == set(KINDS)


def test_the_sweep_draws_every_kind_rank_and_option():
    drawn = [case.problem.spec for case in sweep_cases(USUAL)]
    assert len(drawn) >= 300
    assert {(type(s), s.rank) for s in drawn if isinstance(s, ConvSpec)} == {
        (KINDS[kind], rank) for kind in DYNAMIC for rank in KINDS[kind].ranks
    }
    for kind in RECALIBRATIONS.values():
        for option in kind.own_options():
            values = {getattr(s, option.name) for s in drawn if type(s) is kind}
            assert values - {option.default}, (kind, option.name)
    for kind in DYNAMIC:
        of_networks = {f.name for f in fields(KINDS[kind]) if f.metadata.get("backbone")}
        for name, default in conv_options(kind).items():
            if name not in {"head_init", *of_networks}:  # the arrays are given
                values = {getattr(s, name) for s in drawn if type(s) is KINDS[kind]}
                assert values - {default}, name


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_runtime_has_an_adapter_and_a_ci_row(runtime):
    assert (ROOT / "parity_tests" / "adapters" / f"{runtime.replace('-', '_')}.py").exists()
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert f"name: {runtime}," in workflow


CONVERTER = sorted((ROOT / "weights_converter").rglob("*.py"))
# Names that other code gives to its arrays, to layers that are none of ours, or to keys.
FOREIGN = {"config.py", "dialect_tables.py", "lookalikes.py"}


@pytest.mark.parametrize("path", CONVERTER, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_converter_names_no_family_no_kind_and_no_path_to_an_array(path):
    """They stand in the specs, so that a new one adds files of its own and changes none here."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    specs = {spec.__name__ for spec in (*KINDS.values(), *FAMILIES.values())} - {"ConvSpec"}
    assert specs.isdisjoint(identifiers(tree))
    if path.name not in FOREIGN:
        assert words_of_the_specs().isdisjoint(words(tree))


def identifiers(tree):
    for node in ast.walk(tree):
        yield from (getattr(node, field, None) for field in ("id", "attr", "name"))


def words(tree):
    """The parts of every name in a text of the code; sentences are for people."""
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    names = (text for text in texts if isinstance(text, str) and not re.search(r"\s", text))
    for name in names:
        if not name.startswith("odconv_"):  # a module
            yield from re.split(r"\W+", name)


@cache
def words_of_the_specs():
    """Kinds, families, and the parts of all paths to arrays but their last."""
    parameters = (p for name in list_models() for p in model_spec(name).parameters())
    every = {part for p in parameters for part in p.name.split(".")[:-1]}
    # Of one letter are DCD's `p` and `q`, numbers of layers, and modes of files.
    parts = {part for part in every if len(part) > 1 and not part.isdigit()}
    option = {"conv", "weights"}  # of every backbone, and what files of all of them are called
    return {*KINDS, *FAMILIES} | parts - option
