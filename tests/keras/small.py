"""Small networks of both families, quick to build and to compile."""

from __future__ import annotations

from odconv_keras import create_model

# Widths that repeat give shapes that repeat, which JAX compiles once.
_BASIC = {"stages": ((8, 1), (16, 1)), "stem_channels": 8}
_BOTTLENECK = {"stages": ((4, 1), (4, 1)), "stem_channels": 8}
_MOBILE = {"stages": ((1, 16, 1, 1), (3, 16, 2, 2), (3, 16, 1, 2))}
SMALL = {
    "od_resnet18": _BASIC | {"kernel_num": 2},
    "dy_resnet50": _BOTTLENECK | {"kernel_num": 2, "hidden_channels": 16},
    "cond_resnet18": _BASIC | {"kernel_num": 2},
    "od_mobilenetv2_050": _MOBILE | {"kernel_num": 2},
    "cond_mobilenetv2_050": _MOBILE | {"kernel_num": 2},
    "mobilenetv2_050": _MOBILE,
}


KINDS = ("od_resnet18", "dy_resnet50", "cond_mobilenetv2_050")


def small(name, **options):
    return create_model(name, **{"num_classes": 5} | SMALL[name] | options)


def published(name):
    """Options that let gradients reach what weighs the kernels from the start."""
    return {"head_init": "published"} if "_" in name.removesuffix("_050") else {}
