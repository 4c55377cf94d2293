"""The options of a training, the same in every framework."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from odconv_spec import BackboneSpec, to_json
from odconv_training import digits
from odconv_training.arguments import (
    add_machine,
    add_network,
    add_recipe,
    add_run,
    as_published,
    check_stage,
    laid_over,
    network,
    parser_with,
    positive,
    read_spec,
)
from odconv_training.errors import TrainingError
from odconv_training.recipes import DROPOUTS, RECIPES, Recipe
from odconv_training.samples import DIGITS

_FOLDER_WORKERS = 2


@dataclass(frozen=True)
class Options:
    """One training; `parse` says what each option means.

    `classes_from_data` says that nobody has told how many outputs `spec` has, and `class_names` are
    those of the data, in the order of the outputs; see `odconv_training.classes.fitted`.

    Example:
        >>> from dataclasses import replace
        >>> options = replace(parse(["--model", "od_resnet18"], "torch"), seed=3, steps=100)
        >>> options.seed, options.steps, options.recipe.epochs
        (3, 100, 14)
    """

    spec: BackboneSpec
    data: str
    recipe: Recipe
    output: Path
    classes_from_data: bool = False
    class_names: tuple[str, ...] = ()
    resume: bool = False
    overwrite: bool = False
    start: Path | None = None
    evaluate: bool = False
    precision: str = "float32"
    clip_norm: float | None = None
    seed: int = 0
    steps: int | None = None
    checkpoint_steps: int | None = None
    workers: int = 0
    skip_corrupt: bool = False
    sync_norm: bool = False
    image_size: int = 224
    device: str | None = None
    quiet: bool = False

    def network_json(self) -> str:
        """The network, as a resumed training must have it.

        Returns:
            What `odconv_spec.to_json` writes.
        """
        return to_json(self.spec)


def parse(arguments: Sequence[str] | None, framework: str) -> Options:
    """The options of a command line; argparse ends the process where they cannot be read.

    Args:
        arguments: those of the command, or None for those of the process.
        framework: "torch", "paddle" or "keras".

    Returns:
        Everything that the training needs to know.

    Raises:
        TrainingError: the model, one of its options or the recipe is refused.
        OSError: the file of `--spec` cannot be read.

    Example:
        >>> options = parse(["--model", "od_resnet18", "--data", "photos"], "torch")
        >>> options.spec.name, options.recipe.epochs, options.workers
        ('od_resnet18', 100, 2)
    """
    found = training_parser(framework).parse_args(arguments)
    spec = _spec(found)
    recipe = _recipe(found, spec)
    check_stage(recipe.freeze_stages, spec)
    workers = found.workers
    if workers is None:
        workers = 0 if found.data == DIGITS else _FOLDER_WORKERS
    output = Path("runs") / spec.name if found.output is None else found.output
    made = {
        "spec": spec,
        "recipe": recipe,
        "workers": workers,
        "output": output,
        "classes_from_data": bool(found.model) and "num_classes" not in dict(found.option),
    }
    given = {f.name for f in fields(Options)} - made.keys() - {"class_names"}
    return Options(**made, **{name: getattr(found, name) for name in given})


def _spec(found: Namespace) -> BackboneSpec:
    if found.spec is not None:
        if found.option or found.model:
            raise TrainingError("expected --spec alone, received --model or --option beside it")
        return read_spec(found.spec)
    options = dict(found.option)
    if found.model is None:
        if found.data != DIGITS or options:
            raise TrainingError("expected --model NAME or --spec FILE.json, received neither")
        return digits.spec()
    if _recipe_name(found, network(found.model)) != "digits":
        options = {"dropout": DROPOUTS.get(found.model, 0.0)} | options
    return network(found.model, **options)


def _recipe_name(found: Namespace, spec: BackboneSpec) -> str:
    if found.recipe is not None:
        return str(found.recipe)
    return "digits" if found.data == DIGITS else spec.family


def _recipe(found: Namespace, spec: BackboneSpec) -> Recipe:
    """The named recipe with the values of the command line in place of its own."""
    return laid_over(as_published(RECIPES[_recipe_name(found, spec)], spec), found)


def training_parser(framework: str) -> ArgumentParser:
    """The parser of `python -m odconv_F.train`."""
    parser = parser_with(
        f"python -m odconv_{framework}.train",
        "Trains a network; without options, one of ODConv layers on scikit-learn's digits.",
        "",
        "--model od_resnet18 --option kernel_num=4 --data photos",
        "--model od_resnet18 --data flowers --start official.pth.tar --freeze-stages 1",
    )
    _add_model(parser)
    _add_recipe(parser)
    _add_run(parser)
    add_machine(parser)
    return parser


def _add_model(parser: ArgumentParser) -> None:
    add = add_network(parser, "network and data")
    add(
        "--data",
        default=DIGITS,
        help="a folder with train/CLASS/IMAGE and val/CLASS/IMAGE (default: digits)",
    )
    add(
        "--image-size",
        type=positive,
        default=224,
        metavar="N",
        help="height and width to which images of a folder are brought (default: 224)",
    )
    add("--skip-corrupt", action="store_true", help="leave out images that cannot be decoded")
    add(
        "--start",
        type=Path,
        metavar="CKPT",
        help="checkpoint of any framework to start from; a head for other classes is left out",
    )


def _add_recipe(parser: ArgumentParser) -> None:
    add = add_recipe(parser)
    add(
        "--recipe",
        choices=tuple(RECIPES),
        help="published recipe (default: that of the data or of the model's family)",
    )
    add("--head-lr", type=float, metavar="X", help="learning rate of the head (default: --lr)")


def _add_run(parser: ArgumentParser) -> None:
    add = add_run(parser)
    add(
        "--evaluate", action="store_true", help="do not train; score --start or the last checkpoint"
    )
