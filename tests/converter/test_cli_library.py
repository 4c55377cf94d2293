"""`import odconv`: the functions behind the commands, each imported when it is first used."""

from __future__ import annotations

import ast
import doctest
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import odconv
import weights_converter
from odconv.commands import SUMMARIES
from odconv_spec import model_spec
from tests.converter.helpers import SMALL_RESNET, arrays_of, save
from tests.documents import lay_out_for_readers
from tests.processes import run_process
from tests.quick import quick

SPEC = model_spec("od_resnet18", **SMALL_RESNET)
FACES = pytest.mark.parametrize("face", [odconv, weights_converter], ids=lambda face: face.__name__)


def python(code, *arguments):
    run = run_process([sys.executable, "-c", code, *arguments])
    return run.stdout


@pytest.mark.parametrize(
    "code",
    [
        "import odconv, weights_converter; odconv.__version__; odconv.list_models(); dir(odconv)",
        "import odconv; odconv.ConverterError",
        "from odconv.main import main; assert main(['--help']) == 0",
        "from odconv.main import main; assert main(['--version']) == 0",
        "from odconv.main import main; assert main(['nonsense']) == 2",
    ],
)
def test_neither_numpy_nor_a_framework_is_imported(code):
    loaded = python(f"import sys; {code}; print(*sys.modules)").splitlines()[-1].split()
    assert "odconv" in loaded
    assert not {"numpy", "h5py", "tqdm", "torch", "paddle", "keras", "argcomplete"} & set(loaded)
    assert not {name for name in loaded if name.startswith("odconv.commands.")}


@pytest.mark.parametrize("name", quick(["convert", "evaluate", "attend"], SUMMARIES))
def test_only_the_module_of_the_command_is_imported(name):
    code = f"import sys; from odconv.main import main; main(['{name}', '-h']); print(*sys.modules)"
    loaded = python(code).splitlines()[-1].split()
    commands = {module for module in loaded if module.startswith("odconv.commands.")}
    assert commands == {f"odconv.commands.{name}"}
    assert not {"torch", "paddle", "keras", "PIL", "matplotlib"} & set(loaded)


@FACES
def test_every_name_is_there(face):
    for name in face.__all__:
        assert getattr(face, name) is getattr(face, name)
    assert set(face.__all__) <= set(dir(face))
    with pytest.raises(
        AttributeError, match=f"module '{face.__name__}' has no attribute 'nothing'"
    ):
        _ = face.nothing


@FACES
def test_type_checkers_see_the_same_names(face):
    tree = ast.parse(Path(face.__file__).read_text(encoding="utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    homes = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert set(homes) == set(face.__all__)
    for name, home in homes.items():
        assert getattr(face, name) is getattr(sys.modules[home], name)


def test_commands_have_functions():
    assert {*SUMMARIES} - {"models"} <= set(odconv.__all__)
    assert odconv.__version__ == version("odconv")


def test_a_conversion_as_a_library(tmp_path):
    source = save(tmp_path / "a.pth", SPEC, arrays_of(SPEC))
    report = odconv.convert(odconv.Request(source), tmp_path / "b.safetensors")
    assert report.destination == tmp_path / "b.safetensors"
    assert odconv.verify(source, tmp_path / "b.safetensors").equal
    assert not odconv.diff(source, tmp_path / "b.safetensors").different
    assert odconv.inspect(tmp_path / "b.safetensors").to_dict()["format"] == "safetensors"
    with pytest.raises(odconv.ConverterError):
        odconv.inspect(tmp_path / "nothing.pth")


def test_the_examples_of_the_docstring(monkeypatch, tmp_path):
    lay_out_for_readers(tmp_path)
    monkeypatch.chdir(tmp_path)
    failed, attempted = doctest.testmod(odconv)
    assert failed == 0 and attempted
