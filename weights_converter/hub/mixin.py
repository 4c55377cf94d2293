"""What every backbone can do with the hub, in each framework.

The methods are those of huggingface_hub's `ModelHubMixin`. That class itself is no base of ours: a
base that is there on some machines only would change what a model is, and its own files are of one
framework. Nothing is imported before a method is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weights_converter.hub.config import HubConfig


class HubModel:
    """A backbone that saves itself as a hub folder.

    Attributes:
        hub_config: what the folder said that the model was opened from: `class_names`,
            `image_size`, `mean`, `std`; None for any other model.
    """

    hub_config: HubConfig | None = None

    def save_pretrained(
        self,
        save_directory: str | Path,
        *,
        class_names: Sequence[str] | None = None,
        image_size: int | tuple[int, int] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        metrics: Mapping[str, float | str] | None = None,
        license: str | None = None,
        overwrite: bool = False,
    ) -> tuple[Path, ...]:
        """Writes `model.safetensors`, `config.json` and, where there is none, `README.md`.

        The folder opens in PyTorch, PaddlePaddle and Keras, and each writes the same bytes again.
        What is not given is as in the folder that the model was opened from, or not known.

        Args:
            save_directory: the folder, which is made if it is not there.
            class_names: in the order of the logits.
            image_size: that the model was evaluated with: a number, or (height, width).
            mean: of each channel, to be subtracted from images in [0, 1].
            std: of each channel, by which they are divided then.
            metrics: what was measured -> the figure, for the model card.
            license: a name that the hub knows, such as "apache-2.0", for the model card.
            overwrite: replaces weights and config of an earlier call. A README.md is never
                replaced.

        Returns:
            The files that were written.

        Raises:
            ValueError: a file is there already, a value does not fit the model, or the layers have
                several temperatures; as a `weights_converter.ConverterError`.

        Example:
            >>> from tempfile import mkdtemp
            >>> model = create_model("od_resnet18", num_classes=2)
            >>> files = model.save_pretrained(mkdtemp(), class_names=["cat", "dog"])
            >>> [path.name for path in files]
            ['model.safetensors', 'README.md', 'config.json']
        """
        from weights_converter.hub.save import save_folder

        return save_folder(
            self,
            save_directory,
            class_names=class_names,
            image_size=image_size,
            mean=mean,
            std=std,
            metrics=metrics,
            license=license,
            overwrite=overwrite,
        )

    def push_to_hub(
        self,
        repo_id: str,
        *,
        commit_message: str | None = None,
        private: bool | None = None,
        token: str | bool | None = None,
        branch: str | None = None,
        create_pr: bool = False,
        **saved: Any,
    ) -> str:
        """Uploads what `save_pretrained` writes to https://huggingface.co; needs huggingface_hub.

        A README.md that is there stays as it is.

        Args:
            repo_id: such as "someone/od_resnet18"; it is made if it is not there.
            commit_message: of the upload.
            private: whether a repository that is made can be seen by its owner only.
            token: of the account; None is the one that huggingface_hub has stored.
            branch: to upload to; None is the main one.
            create_pr: whether to ask for a merge in place of it.
            **saved: options of `save_pretrained`.

        Returns:
            The address of the commit.

        Raises:
            ValueError: huggingface_hub is missing, or see `save_pretrained`.
        """
        from weights_converter.hub.remote import upload

        return upload(
            self,
            repo_id,
            commit_message=commit_message,
            private=private,
            token=token,
            branch=branch,
            create_pr=create_pr,
            **saved,
        )

    def forget_class_names(self) -> None:
        """For a new head: the names are of the classes of the old one."""
        if self.hub_config is not None:
            self.hub_config = replace(self.hub_config, class_names=())
