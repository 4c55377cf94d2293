"""Models by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, overload

from odconv_paddle.models.backbone import Backbone
from odconv_paddle.models.features import Features
from odconv_paddle.models.mobilenetv2 import MobileNetV2
from odconv_paddle.models.resnet import ResNet
from odconv_paddle.models.shufflenetv2 import ShuffleNetV2
from odconv_spec import BackboneSpec, list_models, model_spec
from odconv_spec.feature_maps import OutIndices, check_features
from odconv_spec.geometry import flag
from odconv_spec.plugins import row

__all__ = ["build_model", "create_model", "list_models"]

_FAMILIES: Final[Mapping[str, Callable[..., Backbone]]] = {
    "resnet": ResNet,
    "mobilenetv2": MobileNetV2,
    "shufflenetv2": ShuffleNetV2,
}


def build_model(spec: BackboneSpec) -> Backbone:
    """The network that `spec` describes.

    Args:
        spec: of a network of any family.

    Returns:
        The network with random weights of the default dtype, in training mode.

    Raises:
        ValueError: no package has a network of this family.

    Example:
        >>> build_model(model_spec("od_resnet18", num_classes=10)).num_classes
        10
    """
    return row("odconv.paddle_models", _FAMILIES, spec.family)(spec)


@overload
def create_model(
    name: str, *, features_only: Literal[False] = ..., out_indices: None = ..., **options: Any
) -> Backbone: ...


@overload
def create_model(
    name: str,
    *,
    features_only: Literal[True],
    out_indices: OutIndices = ...,
    **options: Any,
) -> Features: ...


def create_model(
    name: str,
    *,
    features_only: bool = False,
    out_indices: OutIndices = None,
    with_pool: bool | None = None,
    **options: Any,
) -> Backbone | Features:
    """A model by name, with random weights of the default dtype.

    Args:
        name: one of `list_models()`.
        features_only: `Features` instead of a classifier, the body of a detector.
        out_indices: which maps that body gives, see `Features`.
        with_pool: the word of `paddle.vision.models` for `global_pool`: True is "avg", False is "".
        **options: `num_classes`, of which 0, or a negative number as in `paddle.vision.models`, is
            a network without a head; `global_pool`: "avg", "max", or "" for the last map;
            `in_channels`, `dropout`, `stages`, `stem_channels` or `width`; and the options of the
            convolutions, which are keyword-only arguments of the layer: for ODConv `kernel_num`,
            `reduction`, `min_channels`, `head_init`, ...

    Returns:
        A network with random weights, in training mode.

    Raises:
        ValueError: unknown name or option, a value out of range, or two that contradict each other.

    Example:
        >>> tuple(create_model("dy_resnet18", num_classes=10)(paddle.rand([1, 3, 64, 96])).shape)
        (1, 10)
    """
    check_features(features_only, out_indices)
    model = build_model(model_spec(name, **_in_our_words(with_pool, options)))
    if not features_only:
        return model
    return Features(model, out_indices)


def _in_our_words(with_pool: bool | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a spec, from those that users of `paddle.vision.models` give."""
    own = dict(options)
    classes = own.get("num_classes")
    if isinstance(classes, int) and classes < 0:
        own["num_classes"] = 0
    if with_pool is None:
        return own
    flag("with_pool", with_pool)
    pool = own.setdefault("global_pool", "avg" if with_pool else "")
    if with_pool is (pool == ""):
        raise ValueError(
            f"with_pool={with_pool}: expected a global_pool that says the same, received "
            f"{pool!r}; give one of them"
        )
    return own
