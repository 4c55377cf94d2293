"""Hub folders in timm and in the cache of huggingface_hub."""

from __future__ import annotations

import pytest
import timm
import torch

from odconv_torch import create_model, from_pretrained
from odconv_torch.timm import register_timm_models

COMMIT = "0" * 40


@pytest.fixture(scope="module", autouse=True)
def _registered():
    register_timm_models()


@pytest.fixture
def model():
    torch.manual_seed(0)
    options = {"kernel_num": 2, "in_channels": 1, "num_classes": 3, "head_init": "published"}
    return create_model("od_mobilenetv2_050", **options).eval()


def test_timm_opens_a_folder(model, tmp_path):
    told = {"class_names": ["a", "b", "c"], "image_size": 32, "mean": [0.4], "std": [0.5]}
    model.save_pretrained(tmp_path, **told)
    other = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    x = torch.rand(2, 1, 32, 32)
    assert torch.equal(other(x), model(x))
    data = timm.data.resolve_data_config(model=other)
    assert data["input_size"] == (1, 32, 32)
    assert (data["mean"], data["std"]) == ([0.4], [0.5])
    assert list(other.pretrained_cfg["label_names"]) == ["a", "b", "c"]


def test_timm_opens_a_folder_with_another_head(model, tmp_path):
    model.save_pretrained(tmp_path)
    other = timm.create_model(f"local-dir:{tmp_path}", pretrained=True, num_classes=5).eval()
    x = torch.rand(1, 1, 32, 32)
    assert other(x).shape == (1, 5)
    assert torch.equal(other.forward_features(x), model.forward_features(x))


def test_timm_opens_a_static_network(tmp_path):
    model = create_model("resnet18", num_classes=3, dropout=0.2).eval()
    model.save_pretrained(tmp_path)
    other = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    x = torch.rand(1, 3, 33, 40)
    torch.testing.assert_close(other(x), model(x))


def test_the_cache_of_huggingface_hub(model, tmp_path):
    """As it looks after a download: names are links to files that are called by their digests."""
    repository = tmp_path / "models--someone--net"
    snapshot, blobs = repository / "snapshots" / COMMIT, repository / "blobs"
    model.save_pretrained(snapshot)
    blobs.mkdir()
    for path in list(snapshot.iterdir()):
        path.rename(blobs / path.name.upper())
        path.symlink_to(f"../../blobs/{path.name.upper()}")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    options = {"cache_dir": tmp_path, "local_files_only": True}
    again = from_pretrained("someone/net", **options)
    x = torch.rand(1, 1, 32, 32)
    assert torch.equal(again(x), model(x))
    with pytest.raises(FileNotFoundError, match="snapshot"):
        from_pretrained("someone/other", **options)
