"""`README.md` of a hub folder: the model card, with front matter that the hub reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from weights_converter.errors import UsageError, legible
from weights_converter.hub.config import HubConfig

CARD: Final = "README.md"
_LICENSES: Final = "https://huggingface.co/docs/hub/repositories-licenses"
_TAGS: Final = ("image-classification", "odconv", "pytorch", "paddlepaddle", "keras")
_MOST_NAMES: Final = 20
_MARKUP: Final = str.maketrans({c: f"\\{c}" for c in "\\`*_[]<>|#"})

Metrics = Mapping[str, "float | str"]


def model_card(
    config: HubConfig, metrics: Metrics | None = None, license: str | None = None
) -> str:
    """The text of the card. It tells what it was given, and what follows from the model.

    Args:
        config: that of the folder.
        metrics: what was measured -> the figure.
        license: a name that the hub knows, such as "apache-2.0". None leaves a line for it.

    Raises:
        UsageError: the license or a metric is no short text or number.
    """
    parts = (_front_matter(license), _about(config), _measured(metrics or {}), _use())
    return "\n".join(line for part in parts for line in part)


def _front_matter(license: str | None) -> Iterator[str]:
    yield "---"
    yield "library_name: odconv"
    yield "pipeline_tag: image-classification"
    yield "tags:"
    yield from (f"- {tag}" for tag in _TAGS)
    if license is None:  # whose weights they are, this package cannot know
        yield f"# license: not stated yet; names are on {_LICENSES}"
    elif not license or set(license) - set("abcdefghijklmnopqrstuvwxyz0123456789.-"):
        raise UsageError(
            f"license: expected a name such as 'apache-2.0', received {legible(license)}",
            help=f"the names are on {_LICENSES}",
        )
    else:
        yield f"license: {license}"
    yield "---"
    yield ""


def _about(config: HubConfig) -> Iterator[str]:
    spec = config.spec
    yield f"# {spec.name}"
    yield ""
    yield f"- classes: {spec.num_classes}{_shown(config.class_names)}"
    yield f"- trainable parameters: {spec.trainable_count():,}"
    if config.image_size is not None:
        yield "- images: {} x {} (height x width)".format(*config.image_size)
    if config.mean is not None and config.std is not None:
        mean, std = (", ".join(map(str, numbers)) for numbers in (config.mean, config.std))
        yield f"- prepared by: values in [0, 1], minus {mean}, divided by {std}"
    yield f"- temperature of the attentions: {config.temperature:g}"
    yield ""


def _shown(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    more = f", and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f" ({', '.join(map(_plain, names[:_MOST_NAMES]))}{more})"


def _measured(metrics: Metrics) -> Iterator[str]:
    yield "## What was measured"
    yield ""
    if not metrics:
        yield "No figure was given when this was saved."
    else:
        yield "| | |"
        yield "|---|---|"
    for name, value in metrics.items():
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise UsageError(f"metrics: expected numbers or texts, received {legible(repr(value))}")
        yield f"| {_plain(name)} | {_plain(str(value))} |"
    yield ""


def _use() -> Iterator[str]:
    yield "## Use"
    yield ""
    yield "The folder opens in PyTorch, PaddlePaddle and Keras:"
    yield ""
    yield "```python"
    yield "from odconv_torch import from_pretrained  # or from odconv_paddle, or from odconv_keras"
    yield ""
    yield 'model = from_pretrained("this/folder")  # or its id on the hub'
    yield "```"
    yield ""


def _plain(text: str) -> str:
    """Text that Markdown takes for nothing else."""
    return legible(text).translate(_MARKUP)
