"""A small checkpoint, and what a command made of it; an export is slow, so they are shared."""

from __future__ import annotations

import json
from functools import cache

import pytest

from odconv.main import main
from odconv_spec import model_spec
from tests.converter.helpers import arrays_of, save

SMALL = {"stages": [[8, 1], [12, 1]], "stem_channels": 8, "num_classes": 5, "kernel_num": 2}


@pytest.fixture(scope="session")
def spec():
    return model_spec("od_resnet18", **SMALL)


@pytest.fixture(scope="session")
def arrays(spec):
    return arrays_of(spec)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory, spec, arrays):
    return save(tmp_path_factory.mktemp("checkpoint") / "best.pth", spec, arrays)


@pytest.fixture(scope="session")
def exported(tmp_path_factory, checkpoint):
    """The path of a file with class names and normalisation, given its ending; made once."""
    folder = tmp_path_factory.mktemp("exported")
    labels = folder / "names.txt"
    labels.write_text("ant\nbee\ncat\ndog\nelk\n", encoding="utf-8")
    words = ("--size", "32x48", "--labels", labels, "--mean", "0.1,0.2,0.3", "--std", "0.5")

    @cache
    def exported(ending, form="compact"):
        path = folder / form / f"model.{ending}"
        path.parent.mkdir(exist_ok=True)
        assert run("export", checkpoint, path, "--form", form, *words) == 0
        return path

    return exported


@pytest.fixture(scope="session")
def portable(exported):
    """The path of an ONNX file in the form portable."""
    return exported("onnx", "portable")


@pytest.fixture
def told(capsys):
    """What a command prints as JSON, given its words."""

    def told(*words, code=0):
        capsys.readouterr()
        assert run(*words, "--json") == code
        return json.loads(capsys.readouterr().out)

    return told


@pytest.fixture(name="run")
def run_of():
    return run


def run(*words):
    """The exit code of a command."""
    return main([str(word) for word in words])
