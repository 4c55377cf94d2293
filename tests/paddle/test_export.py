"""`odconv export` to Paddle's inference models, of checkpoints of any framework."""

from __future__ import annotations

import json

import pytest

from odconv.exporting.export import export
from odconv.runtimes import open_exported
from odconv_spec import model_spec
from tests.converter.helpers import arrays_of, save
from tests.quick import quick
from weights_converter.errors import FileError

SMALL = {"stages": ((8, 1), (12, 1)), "stem_channels": 8, "num_classes": 5}
MODELS = ("od", "dy", "cond", "cgc", "dcd", "fdconv", "we", "kw", "weightnet", "se", "cbam", "eca")


def checkpoint(folder, name="od_resnet18", ending=".pth", **options):
    spec = model_spec(name, **SMALL | options)
    return save(folder / f"best{ending}", spec, arrays_of(spec), ending)


@pytest.mark.parametrize("kind", quick(["od", "kw"], MODELS))
def test_every_kind(tmp_path, kind):
    source = checkpoint(tmp_path, f"{kind}_resnet18")
    found = export(source, tmp_path / "model.pdiparams", size=(32, 64))
    assert [trial.batch for trial in found.proof.trials] == [1, 2, 5]
    assert found.proof.difference < 1e-6


def test_a_file_tells_of_itself(tmp_path):
    found = export(checkpoint(tmp_path), tmp_path / "model.pdiparams", size=(32, 64))
    files = {file.name for file in tmp_path.iterdir()} - {"best.pth"}
    assert files == {"model.pdiparams", "model.json", "model.pdiparams.json"}
    network = open_exported(tmp_path / "model.pdiparams")
    assert network.shape == (None, 3, 32, 64)
    assert network.metadata == found.job.metadata
    assert json.loads(network.metadata["odconv.input"])["layout"] == "NCHW"


def test_the_rest_of_a_job(tmp_path):
    """Probabilities of images that the graph normalises, a fixed batch, and a file of Keras."""
    source = checkpoint(tmp_path, ending=".weights.h5")
    path = tmp_path / "model.pdiparams"
    options = {"mean": (0.1, 0.2, 0.3), "std": 0.5, "mean_std": "graph", "softmax": True}
    found = export(source, path, size=(32, 64), batch=3, **options)
    assert found.proof.difference < 1e-5
    network = open_exported(path)
    assert network.shape == (3, 3, 32, 64)


def test_maps(tmp_path):
    path = tmp_path / "model.pdiparams"
    found = export(checkpoint(tmp_path), path, size=(32, 64), features=(1, 2), dynamic_size=True)
    assert found.proof.difference < 1e-5
    assert open_exported(path).shape == (None, 3, None, None)


def test_arrays_without_their_graph(tmp_path):
    (tmp_path / "model.pdiparams").write_bytes(b"arrays")
    with pytest.raises(FileError, match=r"its graph, model.json or .pdmodel, is not beside it"):
        open_exported(tmp_path / "model.pdiparams")
