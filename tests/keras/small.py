"""Small networks of both families, quick to build and to compile."""

from __future__ import annotations

from odconv_keras import create_model

# Widths that repeat give shapes that repeat, which JAX compiles once.
SMALL = {
    "od_resnet18": {"stages": ((8, 1), (16, 1)), "stem_channels": 8, "kernel_num": 2},
    "od_resnet50": {"stages": ((4, 1),), "stem_channels": 8, "kernel_num": 2},
    "od_mobilenetv2_050": {"stages": ((1, 16, 1, 1), (3, 16, 2, 2)), "kernel_num": 2},
    "mobilenetv2_050": {"stages": ((1, 16, 1, 1), (3, 16, 1, 2))},
}


def small(name, **options):
    return create_model(name, num_classes=5, **SMALL[name] | options)


def published(name):
    """Options that let gradients reach the attentions from the start."""
    return {"head_init": "published"} if name.startswith("od_") else {}
