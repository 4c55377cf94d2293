"""The hub itself, https://huggingface.co, by huggingface_hub, which is imported here only."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from weights_converter.errors import UsageError, legible
from weights_converter.formats.entry_point import HUB_WEIGHTS
from weights_converter.hub.card import CARD
from weights_converter.hub.config import CONFIG
from weights_converter.hub.save import save_folder

_NEEDED = (CONFIG, *HUB_WEIGHTS, "model-*.safetensors")


def downloaded(repo_id: str, **options: Any) -> Path:
    """The folder of a model of the hub on this machine, with the files that are needed."""
    hub = _hub(f"downloading {legible(repo_id)}")
    return Path(hub.snapshot_download(repo_id, allow_patterns=list(_NEEDED), **options))


def upload(
    model: Any,
    repo_id: str,
    *,
    commit_message: str | None = None,
    private: bool | None = None,
    token: str | bool | None = None,
    branch: str | None = None,
    create_pr: bool = False,
    **saved: Any,
) -> str:
    """Uploads a backbone of any framework; see `HubModel.push_to_hub`."""
    api = _hub("uploading").HfApi(token=token, library_name="odconv")
    repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
    with TemporaryDirectory() as folder:
        save_folder(model, folder, **saved)
        # What somebody has written about the model stays; asked only once something was saved.
        kept = api.file_exists(repo_id, CARD, revision=branch)
        if kept and (saved.get("metrics") or saved.get("license")):
            raise UsageError(
                f"{legible(repo_id)} has a {CARD} already, which is left as it is, so that the "
                "metrics and the license would not get into it",
                help="edit it there",
            )
        url = api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            revision=branch,
            create_pr=create_pr,
            commit_message=commit_message or f"Upload {model.spec.name}",
            ignore_patterns=[CARD] if kept else None,
        )
    return str(url)


def _hub(purpose: str) -> Any:
    """The package. Raises UsageError where it is missing."""
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{purpose} needs the package huggingface_hub, which is not installed",
            help="pip install 'odconv[hub]'; a folder on this machine needs nothing",
        ) from error
    return huggingface_hub
