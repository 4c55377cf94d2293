"""Networks: a few layers trained for some steps, and the published ones forward."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from odconv_spec import (
    BackboneSpec,
    ConvChoice,
    MobileNetV2Spec,
    RecalibrationChoice,
    ResNetSpec,
    ShuffleNetV2Spec,
    list_models,
    model_spec,
)
from odconv_spec.choice import conv_options, kinds
from odconv_spec.schedule import annealing_of
from parity_tests.problems import Case, Problem
from parity_tests.reference import random_arrays

_SCALING: Mapping[str, Mapping[str, Any]] = {
    "se": {"reduction": 4},
    "cbam": {"reduction": 2},
    "eca": {"kernel_size": (1, 3)},
}


def step_cases() -> Iterator[Case]:
    """Five optimiser steps on networks of a few layers."""
    chosen = dict.fromkeys(("od", "dy", "cond", *kinds()))
    od, dy, cond, *others = (
        ConvChoice.of(kind, **_two_kernels(kind)) for kind in chosen if kind != "static"
    )
    few: dict[str, Any] = {"stages": ((8, 1), (12, 1)), "stem_channels": 8, "num_classes": 5}
    networks = {
        "resnet-basic": ResNetSpec(**few),
        "od-resnet-basic": ResNetSpec(conv=od, **few),
        "od-resnet-bottleneck": ResNetSpec(conv=od, block="bottleneck", **few),
        "mobilenetv2": MobileNetV2Spec(width=0.5, stages=((1, 16, 1, 1),), num_classes=5),
        "od-mobilenetv2": MobileNetV2Spec(
            conv=od, width=0.5, stages=((1, 16, 1, 1), (3, 24, 2, 2)), num_classes=5
        ),
        "dy-resnet-basic": ResNetSpec(conv=dy, **few),
        "dy-mobilenetv2": MobileNetV2Spec(
            conv=dy, width=0.5, stages=((1, 16, 1, 1), (3, 24, 1, 2)), num_classes=5
        ),
        "cond-resnet-bottleneck": ResNetSpec(conv=cond, block="bottleneck", **few),
        "cond-mobilenetv2": MobileNetV2Spec(
            conv=cond, width=0.5, stages=((1, 16, 1, 1), (3, 24, 2, 2)), num_classes=5
        ),
        # Features are logits of as many classes, of which the labels are the first.
        "od-resnet-features": ResNetSpec(conv=od, **few | {"num_classes": 0, "global_pool": "max"}),
        "cond-resnet-max": ResNetSpec(conv=cond, global_pool="max", **few),
        "se-resnet-bottleneck": ResNetSpec(
            recalibration=RecalibrationChoice.of("se", reduction=4), block="bottleneck", **few
        ),
        "cbam-od-resnet-basic": ResNetSpec(
            conv=od, recalibration=RecalibrationChoice.of("cbam", reduction=4), **few
        ),
        "eca-resnet-basic": ResNetSpec(
            recalibration=RecalibrationChoice.of("eca", kernel_size=(5, 3)), **few
        ),
        **{
            f"{kind}-shufflenetv2": ShuffleNetV2Spec(
                conv=ConvChoice.of(kind), stages=((16, 2), (20, 1)), stem_channels=8, num_classes=5
            )
            for kind in ("static", "cond", "weightnet")
        },
        **{
            f"{kind}-mobilenetv2": MobileNetV2Spec(
                recalibration=RecalibrationChoice.of(kind, **options),
                width=0.5,
                stages=((1, 16, 1, 1), (3, 24, 1, 2)),
                num_classes=5,
            )
            for kind, options in _SCALING.items()
        },
        **{f"{conv.kind}-resnet-basic": ResNetSpec(conv=conv, **few) for conv in others},
        "kw-mobilenetv2": MobileNetV2Spec(  # with a dynamic classifier
            conv=ConvChoice.of("kw", config="kw1d2x"),
            width=0.5,
            stages=((1, 16, 1, 1), (3, 24, 2, 2)),
            num_classes=5,
        ),
    }
    for seed, (name, spec) in enumerate(networks.items()):
        yield Case("steps", name, "float64", partial(_steps, seed, spec))


def _two_kernels(kind: str) -> dict[str, Any]:
    """Two kernels, where a kind has several."""
    return {"kernel_num": 2} if "kernel_num" in conv_options(kind) else {}


def _steps(seed: int, spec: BackboneSpec) -> Problem:
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((5, 4, 3, 32, 40))  # (steps, batch, channels, height, width)
    labels = generator.integers(0, 5, (5, 4))
    arrays = random_arrays(spec.parameters(), seed)
    temperature = 0.3 if annealing_of(spec.parameters()).blends else 3.0
    return Problem(spec, arrays, x, training=True, temperature=temperature, labels=labels)


def backbone_cases() -> Iterator[Case]:
    """All published networks forward, the dynamic ones with two kernels but for the deep."""
    for seed, name in enumerate(list_models()):
        yield Case("backbone", name, "float64", partial(_backbone, seed, name, "float64"))
        if name in ("od_resnet18", "od_mobilenetv2_100"):
            yield Case("backbone", name, "float32", partial(_backbone, seed, name, "float32"))
    yield Case("backbone", "last-map", "float64", _last_map)


def _last_map() -> Problem:
    """The map that a network without a head and a pooling gives."""
    small: dict[str, Any] = {"width": 0.5, "stages": ((1, 16, 1, 1), (3, 24, 2, 2))}
    spec = MobileNetV2Spec(num_classes=0, global_pool="", **small)
    x = np.random.default_rng(0).standard_normal((2, 3, 33, 40))
    return Problem(spec, random_arrays(spec.parameters(), 0), x)


def _backbone(seed: int, name: str, dtype: str) -> Problem:
    deep = name in ("od_resnet34", "od_resnet50", "od_resnet101")
    options = {} if deep else _two_kernels(model_spec(name).conv.kind)
    spec = model_spec(name, num_classes=10, **options)
    x = np.random.default_rng(seed).standard_normal((2, 3, 48, 40)).astype(dtype)
    arrays = random_arrays(spec.parameters(), seed, dtype)
    temperature = annealing_of(spec.parameters()).rest
    return Problem(spec, arrays, x, temperature=temperature, dtype=dtype)
