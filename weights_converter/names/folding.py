"""Arrays that are stored as two, of which the layer computes one each time that it runs.

A pruned array is `orig * mask`, exactly. A weight norm is `g * v / |v|`: here it is computed in
float64 and rounded once, so that it is the float nearest to the exact value, while a framework that
computes it in float32 may be a few units in the last place away.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from weights_converter.arrays.dtypes import Array
from weights_converter.arrays.precision import FLOATS, numbers, rounded
from weights_converter.arrays.tensor import Checkpoint, Tensor
from weights_converter.errors import RefusedError, legible

Tensors = Mapping[str, Tensor]
_PARAMETRIZED = re.compile(r"(?P<path>(?:.+\.)?)parametrizations\.(?P<leaf>[^.]+)\.original0")
_MASKED = "pruned arrays, orig * mask"
_NORMED = "weight norms, g * v / |v| in float64 and rounded once, into one array each"


@dataclass(frozen=True)
class _Fold:
    """`name` is what `compute` makes of the arrays `parts`."""

    name: str
    parts: tuple[Tensor, Tensor]
    kind: str
    compute: Callable[[Tensor, Tensor], Array]

    def tensor(self) -> Tensor:
        first, second = self.parts
        like = first if self.kind == _MASKED else second
        return Tensor(self.name, like.dtype, like.shape, lambda: self.compute(first, second))


def folded(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with one array in the place of each such pair, and a note for each kind.

    Args:
        checkpoint: without the parts of names that wrappers add. No array of a model has a name
            that ends like those of such a pair.

    Raises:
        RefusedError: the axes of a weight norm are not known.
    """
    folds = list(_folds(checkpoint))
    if not folds:
        return checkpoint
    gone = {part.name for fold in folds for part in fold.parts}
    kept = {name: tensor for name, tensor in checkpoint.tensors.items() if name not in gone}
    kinds = dict.fromkeys(fold.kind for fold in folds)
    notes = (f"folded {sum(f.kind == kind for f in folds)} {kind}" for kind in kinds)
    return replace(
        checkpoint,
        tensors=kept | {fold.name: fold.tensor() for fold in folds},
        notes=(*checkpoint.notes, *notes),
    )


def _folds(checkpoint: Checkpoint) -> Iterator[_Fold]:
    tensors = checkpoint.tensors
    for name in tensors:
        parametrized = _PARAMETRIZED.fullmatch(name)
        if parametrized:
            pair = (name, f"{name.removesuffix('0')}1")
            yield from _weight_norm(checkpoint, parametrized["path"] + parametrized["leaf"], *pair)
        elif name.endswith("_g"):
            base = name.removesuffix("_g")
            yield from _weight_norm(checkpoint, base, name, f"{base}_v")
        elif name.endswith("_orig"):
            base = name.removesuffix("_orig")
            yield from _pruned(tensors, base, name, f"{base}_mask")


def _pruned(tensors: Tensors, base: str, name: str, mask: str) -> Iterator[_Fold]:
    """https://docs.pytorch.org/tutorials/intermediate/pruning_tutorial.html"""
    pair = (tensors[name], tensors.get(mask))
    if pair[1] is not None and pair[0].shape == pair[1].shape and base not in tensors:
        yield _Fold(base, (pair[0], pair[1]), _MASKED, _masked)


def _weight_norm(checkpoint: Checkpoint, base: str, name: str, direction: str) -> Iterator[_Fold]:
    """https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.parametrizations.weight_norm.html"""
    g, v = checkpoint.tensors[name], checkpoint.tensors.get(direction)
    if v is None or base in checkpoint.tensors or not {g.dtype, v.dtype} <= FLOATS:
        return
    shape = _shape_of_norms(checkpoint, g, v)
    if shape is not None:
        yield _Fold(base, (g, v), _NORMED, lambda g, v: _normed(g, v, shape))


def _shape_of_norms(checkpoint: Checkpoint, g: Tensor, v: Tensor) -> tuple[int, ...] | None:
    """The shape of g with an axis for each of v's, 1 where a norm is over it; None if none fits."""
    if checkpoint.layout == "paddle":
        return _shape_in_paddle(checkpoint, g, v)
    if not g.shape:
        return (1,) * len(v.shape)
    apart = [axis for axis, size in enumerate(g.shape) if size != 1]
    fits = len(g.shape) == len(v.shape) and all(g.shape[axis] == v.shape[axis] for axis in apart)
    return g.shape if fits and len(apart) <= 1 else None


def _shape_in_paddle(checkpoint: Checkpoint, g: Tensor, v: Tensor) -> tuple[int, ...] | None:
    """Paddle stores g as one axis, and not which one: only its length may tell."""
    places = [axis for axis, size in enumerate(v.shape) if g.shape == (size,)]
    if len(places) != 1:
        raise RefusedError(
            f"{legible(checkpoint.path.name)} has a weight norm, {legible(g.name)} {g.shape} and "
            f"{legible(v.name)} {v.shape}, of which nothing tells the axis",
            help="remove it where the model is built, paddle.nn.utils.remove_weight_norm(layer), "
            "and save again",
        )
    return tuple(size if axis == places[0] else 1 for axis, size in enumerate(v.shape))


def _masked(original: Tensor, mask: Tensor) -> Array:
    values, factors = numbers(original.load(), original.dtype), numbers(mask.load(), mask.dtype)
    if not np.isin(factors, (0, 1)).all():
        raise RefusedError(
            f"{legible(mask.name)} has values other than 0 and 1: it is no mask of pruning",
            help="torch.nn.utils.prune.remove(module, name), and save again",
        )
    with np.errstate(invalid="ignore"):  # an infinity that is masked is NaN, as in torch
        product = values * factors.astype(values.dtype)
    return rounded(product, "F32", original.dtype) if original.dtype == "BF16" else product


def _normed(g: Tensor, v: Tensor, shape: tuple[int, ...]) -> Array:
    """g * v / |v|, where |v| is the norm over the axes that g has not."""
    scale, direction = (numbers(t.load(), t.dtype).astype("<f8") for t in (g, v))
    axes = tuple(axis for axis, size in enumerate(shape) if size == 1)
    with np.errstate(divide="ignore", invalid="ignore"):  # a direction of zeros is NaN in torch
        norm = np.sqrt(np.square(direction).sum(axis=axes, keepdims=True))
        weight = direction * (scale.reshape(shape) / norm)
    return rounded(np.ascontiguousarray(weight), "F64", v.dtype)
