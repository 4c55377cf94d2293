"""Which model a set of canonical names and shapes belongs to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, takewhile
from typing import Any, Final

from odconv_spec import BackboneSpec, MobileNetV2Spec, ResNetSpec, model_spec
from weights_converter.errors import MismatchError
from weights_converter.identify.convolutions import dimension, infer_conv, possible_options
from weights_converter.identify.manifest import Manifest

Shapes = Mapping[str, tuple[int, ...]]
Stages = Sequence[Sequence[int]]
_WIDTH_BY_STEM: Final = {32: 1.0, 24: 0.75, 16: 0.5}
_FEWEST_ARRAYS = 5  # of a block of a ResNet, of which none has less than 10; half may be missing
_MOST_SHOWN = 24


def infer_spec(shapes: Shapes, stages: Stages | None = None) -> BackboneSpec:
    """The spec of the backbone whose arrays have these names and shapes.

    Args:
        shapes: canonical name -> canonical shape.
        stages: a MobileNetV2's own stage table, which a file does not tell: it stores no strides.

    Raises:
        MismatchError: no backbone has such arrays.
    """
    if "layer1.0.conv1.weight" in shapes:
        if stages is not None:
            raise MismatchError("the file holds a ResNet; a stage table is for MobileNetV2")
        return _resnet(shapes)
    if "features.0.0.weight" in shapes:
        return _mobilenetv2(shapes, stages)
    raise MismatchError(
        "the arrays belong to none of the backbones: found neither 'layer1.0.conv1.weight' "
        f"(ResNet) nor 'features.0.0.weight' (MobileNetV2) among {_some(shapes)}",
        help="for a network of your own, save its manifest where it is built, "
        "weights_converter.save_manifest(model, 'net.json'), and pass --model net.json",
    )


def _resnet(shapes: Shapes) -> BackboneSpec:
    bottleneck = "layer1.0.conv3.weight" in shapes
    counts = _block_counts(shapes)
    widths = [dimension(shapes, f"layer{n}.0.bn1.weight", 0) for n in range(1, len(counts) + 1)]
    common = _common(shapes, "conv1.weight", "fc.weight")
    stem = dimension(shapes, "conv1.weight", 0)
    with possible_options():
        return ResNetSpec(
            **common,
            block="bottleneck" if bottleneck else "basic",
            stages=tuple(zip(widths, counts, strict=True)),
            stem_channels=stem,
        )


def _mobilenetv2(shapes: Shapes, stages: Stages | None) -> BackboneSpec:
    stem = dimension(shapes, "features.0.0.weight", 0)
    if stem not in _WIDTH_BY_STEM:
        raise MismatchError(
            f"features.0.0.weight: expected one of {sorted(_WIDTH_BY_STEM)} output channels, "
            f"found {stem}",
            help="a MobileNetV2 of another width needs its spec: --model spec.json",
        )
    tables: dict[str, Any] = {} if stages is None else {"stages": stages}
    common = _common(shapes, "features.0.0.weight", "classifier.1.weight")
    with possible_options():
        spec = MobileNetV2Spec(**common, width=_WIDTH_BY_STEM[stem], **tables)
    found = list(_block_widths(shapes))
    published = [(b.depthwise.out_channels, b.project.out_channels) for b in spec.blocks()]
    if stages is None and found != published:
        raise MismatchError(
            "this MobileNetV2 has a stage table of its own, and a checkpoint stores no strides; "
            f"its {len(found)} blocks have (hidden, out) channels {_first(found)}",
            help="give the table: --stages 'expansion,channels,blocks,stride ...'",
        )
    return spec


def _common(shapes: Shapes, stem: str, head: str) -> dict[str, Any]:
    """The options of every backbone, from the arrays of these names."""
    conv = infer_conv(shapes)
    # CondConv's classifier is a bank of kernels.
    classes = dimension(shapes, head, 1 if conv.kind == "cond" else 0)
    _check_head(shapes, head, classes)
    return {"conv": conv, "in_channels": dimension(shapes, stem, 1), "num_classes": classes}


def _check_head(shapes: Shapes, head: str, classes: int) -> None:
    """Raises MismatchError where the classifier's bias has another width than its weight."""
    name = head.replace("weight", "bias")
    width = shapes.get(name, (classes,))
    if width != (classes,):
        transposed = width == shapes[head][-1:]
        raise MismatchError(
            f"{head} {shapes[head]} has {classes} classes, {name} {width} has not",
            help="it looks transposed; was this file converted before?" if transposed else None,
        )


def _block_counts(shapes: Shapes) -> list[int]:
    """Blocks in layer1, layer2, ... of a ResNet, up to the first that is not there."""
    blocks: dict[str, set[str]] = defaultdict(set)
    for name in shapes:
        layer, _, inside = name.partition(".")
        blocks[layer].add(inside.partition(".")[0])
    numbered = (len(blocks.get(f"layer{number}", ())) for number in count(1))
    counts = list(takewhile(bool, numbered))
    if sum(counts) * _FEWEST_ARRAYS > len(shapes):
        raise MismatchError(
            f"{len(shapes)} arrays are too few for the {sum(counts)} blocks of a ResNet that their "
            "names are of"
        )
    return counts


def _block_widths(shapes: Shapes) -> Iterator[tuple[int, int]]:
    """(hidden, out) channels of each inverted residual block; kernels may be static or banks."""
    index = 1
    while f"features.{index}.conv.0.0.weight" in shapes:
        prefix = f"features.{index}.conv"
        expands = f"{prefix}.1.0.weight" in shapes
        depthwise = f"{prefix}.1.0.weight" if expands else f"{prefix}.0.0.weight"
        project = f"{prefix}.2.weight" if expands else f"{prefix}.1.weight"
        yield _out_channels(shapes, depthwise), _out_channels(shapes, project)
        index += 1


def _first(widths: list[tuple[int, int]]) -> str:
    """The text of the list, whose end is left out where it is long."""
    more = len(widths) - _MOST_SHOWN
    return f"{widths[:_MOST_SHOWN]} and {more} more" if more > 0 else f"{widths}"


def _out_channels(shapes: Shapes, kernel: str) -> int:
    return dimension(shapes, kernel, max(0, len(shapes.get(kernel, ())) - 4))


def _some(shapes: Shapes) -> str:
    names = sorted(shapes)
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return (", ".join(map(repr, names[:3])) or "no arrays") + rest


def same_model(asked: str, inferred: BackboneSpec | Manifest, own_table: bool) -> None:
    """Raises MismatchError where the name that was asked for is not that of the file's model.

    `own_table` says that a MobileNetV2's stages were given, so that they are not compared.
    """
    named = model_spec(asked)
    same = inferred.name == asked
    if own_table and isinstance(named, MobileNetV2Spec) and isinstance(inferred, MobileNetV2Spec):
        same = (named.conv.kind, named.width) == (inferred.conv.kind, inferred.width)
    if not same:
        raise MismatchError(
            f"the file holds {describe(inferred)}; you asked for {asked}",
            help=f"drop the model option, or ask for {inferred.name}",
        )


def describe(spec: BackboneSpec | Manifest) -> str:
    """A model in a few words: "od_resnet18 (kernel_num=4, 1000 classes)", "Net (42 arrays)"."""
    if isinstance(spec, Manifest):
        return f"{spec.name} ({len(spec.arrays)} arrays)"
    options = [f"{k}={v}" for k, v in spec.conv.options if k == "kernel_num"]
    return f"{spec.name} ({', '.join([*options, f'{spec.num_classes} classes'])})"
