"""The options of a training, the same in every framework."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from math import inf, nan
from pathlib import Path
from typing import Any

from odconv_spec import BackboneSpec, from_json, model_spec
from odconv_spec.feature_maps import stage_to_freeze
from odconv_spec.schedule import SOFTEN, annealing_of
from odconv_training import digits
from odconv_training.errors import TrainingError
from odconv_training.recipes import DROPOUTS, RECIPES, SCHEDULES, Recipe
from odconv_training.samples import DIGITS

PRECISIONS = ("float32", "float64", "bfloat16", "float16")
_FOLDER_WORKERS = 2


@dataclass(frozen=True)
class Options:
    """One training; `parse` says what each option means.

    `classes_from_data` says that nobody has told how many outputs `spec` has, and `class_names` are
    those of the data, in the order of the outputs; see `odconv_training.classes.fitted`.
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


def parse(arguments: Sequence[str] | None, framework: str) -> Options:
    """The options of a command line; argparse ends the process where they cannot be read.

    Args:
        arguments: those of the command, or None for those of the process.
        framework: "torch", "paddle" or "keras".

    Raises:
        TrainingError: the model, one of its options or the recipe is refused.
        OSError: the file of `--spec` cannot be read.

    Example:
        >>> options = parse(["--model", "od_resnet18", "--data", "photos"], "torch")
        >>> options.spec.name, options.recipe.epochs, options.workers
        ('od_resnet18', 100, 2)
    """
    found = _parser(framework).parse_args(arguments)
    spec = _spec(found)
    recipe = _recipe(found, spec)
    _check_stage(recipe.freeze_stages, spec)
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
        return _read_spec(found.spec)
    options = dict(found.option)
    if found.model is None:
        if found.data != DIGITS or options:
            raise TrainingError("expected --model NAME or --spec FILE.json, received neither")
        return digits.spec()
    if _recipe_name(found, _model(found.model)) != "digits":
        options = {"dropout": DROPOUTS.get(found.model, 0.0)} | options
    return _model(found.model, **options)


def _model(name: str, **options: Any) -> BackboneSpec:
    try:
        return model_spec(name, **options)
    except ValueError as error:  # what odconv_spec says about a name or an option
        raise TrainingError(str(error)) from error


def _read_spec(path: Path) -> BackboneSpec:
    try:
        return from_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise TrainingError(f"expected a network's spec in {path}, received: {error}") from error


def _recipe_name(found: Namespace, spec: BackboneSpec) -> str:
    if found.recipe is not None:
        return str(found.recipe)
    return "digits" if found.data == DIGITS else spec.family


def _recipe(found: Namespace, spec: BackboneSpec) -> Recipe:
    """The named recipe with the values of the command line in place of its own."""
    values = {f.name: getattr(found, f.name) for f in fields(Recipe)}
    given = {name: value for name, value in values.items() if value is not None}
    return replace(_as_published(RECIPES[_recipe_name(found, spec)], spec), **given)


def _as_published(recipe: Recipe, spec: BackboneSpec) -> Recipe:
    """The recipe with the annealing of the kind of convolution, which recipes have from ODConv."""
    kind = annealing_of(spec.parameters())
    if kind == SOFTEN:
        return recipe
    epochs = (
        kind.epochs if recipe.temperature_epochs == SOFTEN.epochs else recipe.temperature_epochs
    )
    return replace(
        recipe, temperature_start=kind.start, temperature_end=kind.end, temperature_epochs=epochs
    )


def _check_stage(stage: int | None, spec: BackboneSpec) -> None:
    try:
        stage_to_freeze(spec.feature_info(), stage)
    except ValueError as error:
        raise TrainingError(str(error)) from error


def _parser(framework: str) -> ArgumentParser:
    parser = ArgumentParser(
        prog=f"python -m odconv_{framework}.train",
        description="Trains a network; with no options, ODConv on scikit-learn's digits.",
    )
    _add_model(parser)
    _add_recipe(parser)
    _add_run(parser)
    _add_machine(parser)
    return parser


def _add_model(parser: ArgumentParser) -> None:
    add = parser.add_argument_group("network and data").add_argument
    add("--model", metavar="NAME", help="such as od_resnet18; `odconv models` lists them")
    add(
        "--option",
        type=_pair,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="of the model, such as kernel_num=4 or num_classes=5; may be repeated",
    )
    add("--spec", type=Path, metavar="FILE.json", help="a network of your own, as odconv_spec's")
    add(
        "--data",
        default=DIGITS,
        help="a folder with train/ and val/, whose folders are the classes (default: digits)",
    )
    add("--image-size", type=_positive, default=224, metavar="N", help="of folders (default: 224)")
    add("--skip-corrupt", action="store_true", help="leave out images that cannot be decoded")
    add(
        "--start",
        type=Path,
        metavar="CKPT",
        help="weights to start from, of any framework; a head for other classes is left out",
    )


def _add_recipe(parser: ArgumentParser) -> None:
    add = parser.add_argument_group("recipe").add_argument
    add("--recipe", choices=tuple(RECIPES), help="default: that of the data or the model's family")
    for name in ("epochs", "batch-size", "step-epochs"):
        add(f"--{name}", type=_positive, metavar="N")
    for name in ("lr", "momentum", "weight-decay"):
        add(f"--{name}", type=float, metavar="X")
    for name in ("temperature-start", "temperature-end", "temperature-epochs"):
        add(f"--{name}", type=float, metavar="X")
    add("--schedule", choices=SCHEDULES, help="of the learning rate")
    add("--clip-norm", type=_length, metavar="X", help="the longest gradient, over all arrays")
    add("--head-lr", type=float, metavar="X", help="the rate of the head (default: that of all)")
    add(
        "--freeze-stages",
        type=_natural,
        metavar="N",
        help="train nothing that leads to the model's feature_info[N]; 0 is the stem",
    )
    # None, which is laid over nothing, where it is not given.
    add(
        "--freeze-norms",
        action="store_const",
        const=True,
        help="keep the statistics of all batch norms",
    )
    add("--precision", choices=PRECISIONS, default="float32", help="the last two: mixed")
    add("--seed", type=_natural, default=0)


def _add_run(parser: ArgumentParser) -> None:
    run = parser.add_argument_group("run")
    add = run.add_argument
    add("--output", type=Path, metavar="FOLDER", help="default: runs/MODEL")
    either = run.add_mutually_exclusive_group().add_argument
    either("--resume", action="store_true", help="go on from the last checkpoint, if there is one")
    either("--overwrite", action="store_true", help="replace the run that the folder holds")
    add("--evaluate", action="store_true", help="no training: score --start or the last checkpoint")
    add("--steps", type=_positive, metavar="N", help="stop after N steps in all")
    add("--checkpoint-steps", type=_positive, metavar="N", help="also save every N steps")
    add("--quiet", action="store_true", help="show errors only")
    add("--traceback", action="store_true", help="show where a bug in odconv has struck")


def _add_machine(parser: ArgumentParser) -> None:
    add = parser.add_argument_group("machine").add_argument
    add("--device", help="default: a GPU if there is one")
    add("--workers", type=_natural, metavar="N", help="that load images (default: 2, digits 0)")
    add("--sync-norm", action="store_true", help="batch statistics over all processes")


def _pair(text: str) -> tuple[str, Any]:
    """The value is JSON where it can be read as such, else text."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise ArgumentTypeError(f"expected KEY=VALUE, received {text!r}")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


def _natural(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ArgumentTypeError(f"expected a whole number from 0, received {text!r}")
    return int(text)


def _positive(text: str) -> int:
    number = _natural(text)
    if number == 0:
        raise ArgumentTypeError("expected a whole number from 1, received 0")
    return number


def _length(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = nan
    if not 0 < number < inf:
        raise ArgumentTypeError(f"expected a positive number, received {text!r}")
    return number
