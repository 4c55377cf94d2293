"""What the backbones have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, groupby
from typing import TypeAlias

import paddle
from paddle import nn

from odconv_paddle.layers import set_temperature
from odconv_paddle.layers.pooling import global_max, global_mean
from odconv_paddle.models.freezing import Frozen
from odconv_paddle.models.head import build_head
from odconv_spec import BackboneSpec, ConvSpec
from odconv_spec.feature_maps import OutIndices, feature_indices, stage_to_freeze
from weights_converter.hub.mixin import HubModel

# One layer on the way from the image to the last map: the attributes that lead to it, and whether
# its output is a map of `feature_info` or one behind them. Plain, because to_static cannot read a
# named tuple.
Step: TypeAlias = tuple[tuple[str, ...], bool]


class Backbone(HubModel, nn.Layer):
    """An image classifier: `forward_features`, then `forward_head`, which pools the last map.

    With `num_classes=0` it has no head, and gives features, see `BackboneSpec`.

    Attributes:
        spec: what the network is made of.
        steps: the layers of `forward_features` in the order of their calls.
        feature_info: name, channels and stride of each map of `forward_stages`.
        num_features: channels of the last map.
        num_classes: width of the output, 0 without a head.
        global_pool: how the last map is pooled, "avg", "max" or, without a head, "" for not at all.
        frozen_stages: up to which map of `feature_info` the network is frozen, -1 for not at all.
    """

    def __init__(self, spec: BackboneSpec, steps: Sequence[Step]) -> None:
        super().__init__()
        self._follow(spec)
        self.steps = tuple(steps)
        self.feature_info = spec.feature_info()
        self.num_features = spec.num_features
        self.frozen_stages = -1
        self._frozen: Frozen | None = None

    def forward_features(self, x: paddle.Tensor) -> paddle.Tensor:
        """The last map of images, whose sizes are rounded up.

        Args:
            x: (batch, in_channels, height, width).

        Returns:
            (batch, num_features, height / 32, width / 32).
        """
        for path, _ in self.steps:
            x = sublayer(self, path)(x)
        return x

    def forward_stages(
        self, x: paddle.Tensor, out_indices: OutIndices = None
    ) -> list[paddle.Tensor]:
        """The last map of each stride, as `feature_info` describes them.

        Args:
            x: images (batch, in_channels, height, width).
            out_indices: a number n for the last n of `feature_info`, or which of them, where
                negative ones count from the end; all by default. Layers behind them are not run.

        Returns:
            A map (batch, channels, height / stride, width / stride) for each index.

        Raises:
            ValueError: no map is asked for, or one that does not exist.
        """
        further = self.spec.further_maps()
        indices = feature_indices(self.feature_info, out_indices, further=further)
        return stage_maps(self, self.steps, x, indices)

    def forward_head(self, features: paddle.Tensor) -> paddle.Tensor:
        """Logits of the last map, or its features.

        Args:
            features: the last map, (batch, num_features, height, width).

        Returns:
            (batch, num_classes), or (batch, num_features) without a head.
        """
        raise NotImplementedError

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Logits of images, or their features.

        Args:
            x: (batch, in_channels, height, width).

        Returns:
            (batch, num_classes), or features as `global_pool` says without a head.
        """
        return self.forward_head(self.forward_features(x))

    def get_classifier(self) -> nn.Layer:
        """The head, `paddle.nn.Identity` where there is none.

        Returns:
            The layer itself, not a copy.
        """
        return sublayer(self, self.spec.head_path.split("."))

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Puts a new head, with random weights, in the place of that which the network has.

        A static graph of `paddle.jit.to_static` keeps the head that it was made with, so reset
        first, and give the optimizer the parameters afterwards.

        Args:
            num_classes: width of the output, 0 for no head.
            global_pool: "avg", "max" or "", see `BackboneSpec`; None is as it was.

        Raises:
            ValueError: a value is out of range, or classes of a map that is not pooled.

        Example:
            >>> model = create_model("od_resnet18")
            >>> model.reset_classifier(3)
            >>> tuple(model(paddle.rand([1, 3, 32, 32])).shape), model.spec.num_classes
            ((1, 3), 3)
        """
        pool = self.global_pool if global_pool is None else global_pool
        spec = replace(self.spec, num_classes=num_classes, global_pool=pool)
        head = build_head(spec.head)
        last = self.parameters()[-1]  # the head is where the last layer is
        head.to(device=last.place, dtype=last.dtype)
        head.train() if self.training else head.eval()
        *owners, name = spec.head_path.split(".")
        setattr(sublayer(self, owners), name, head)
        self._follow(spec)
        self.forget_class_names()

    def freeze_stages(self, stage: int | None) -> None:
        """Freezes all that leads to `feature_info[stage]`, and nothing else.

        Its parameters get no gradient, so that an optimizer leaves them as they are, and its batch
        norms keep their statistics and use them, in training mode, too. The temperature of frozen
        convolutions can still be set.

        Args:
            stage: the last to freeze, from 0, the stem; None trains all again.

        Raises:
            ValueError: there is no such stage.

        Example:
            >>> model = create_model("od_resnet18")
            >>> model.freeze_stages(1)
            >>> trained = [n for n, p in model.named_parameters() if not p.stop_gradient]
            >>> trained[0]
            'layer2.0.conv1.weight'
        """
        self.frozen_stages = stage_to_freeze(self.feature_info, stage)
        if self._frozen is not None:
            self._frozen.thaw()
        layers = (sublayer(self, path) for path, _ in steps_to(self.steps, self.frozen_stages))
        self._frozen = Frozen(layers)

    def layer_groups(self) -> list[list[str]]:
        """Names of the trainable parameters from the stem to the head, block by block.

        For rates that fall from the head to the stem: `paddle.optimizer` takes a list of groups
        with a factor each.

        Returns:
            A list of names for each group, the stem first.

        Example:
            >>> model = create_model("od_resnet18")
            >>> groups, of = model.layer_groups(), dict(model.named_parameters())
            >>> rates = [0.8 ** (len(groups) - 1 - place) for place in range(len(groups))]
            >>> optimizer = paddle.optimizer.AdamW(
            ...     parameters=[
            ...         {"params": [of[name] for name in names], "learning_rate": rate}
            ...         for names, rate in zip(groups, rates)
            ...     ]
            ... )
            >>> len(groups), groups[0], groups[-1]
            (10, ['conv1.weight', 'bn1.weight', 'bn1.bias'], ['fc.weight', 'fc.bias'])
        """
        paths = [*(block.name for block in self.spec.blocks()), self.spec.head_path]
        names = [parameter.name for parameter in self.spec.parameters() if parameter.role.trainable]
        groups = groupby(names, lambda name: next((p for p in paths if _is_in(name, p)), ""))
        return [list(group) for _, group in groups]

    def set_temperature(self, temperature: float) -> None:
        """Sets the temperature of all dynamic convolutions; ValueError if it is not positive."""
        set_temperature(self, temperature)

    def _follow(self, spec: BackboneSpec) -> None:
        """Takes what a head determines from `spec`."""
        self.spec = spec
        self.num_classes = spec.num_classes
        self.global_pool = spec.global_pool
        self._head_is_conv = isinstance(spec.head, ConvSpec)

    def _pool(self, features: paddle.Tensor) -> paddle.Tensor:
        """The pooled map as the classifier takes it: (batch, num_features, *ones if conv).

        The map itself where it is not to be pooled.
        """
        if not self.global_pool:
            return features
        pool = global_max if self.global_pool == "max" else global_mean
        return pool(features, keepdim=self._head_is_conv)


def steps_to(steps: Sequence[Step], last: int) -> tuple[Step, ...]:
    """The steps up to that of stage `last`, none for -1."""
    before = accumulate((is_stage for _, is_stage in steps), initial=0)  # stages before each step
    return tuple(step for step, done in zip(steps, before, strict=False) if done <= last)


def sublayer(layer: nn.Layer, path: Sequence[str]) -> nn.Layer:
    for name in path:  # not `reduce`, which to_static cannot follow
        layer = getattr(layer, name)
    return layer


def stage_maps(
    layer: nn.Layer, steps: Sequence[Step], x: paddle.Tensor, indices: Sequence[int]
) -> list[paddle.Tensor]:
    """The chosen outputs of those steps that are stages, in the order of `indices`."""
    maps: list[paddle.Tensor] = []
    for path, is_stage in steps:
        if len(maps) > max(indices):
            break
        x = sublayer(layer, path)(x)
        if is_stage:
            maps.append(x)
    return [maps[index] for index in indices]


def _is_in(name: str, path: str) -> bool:
    return name.startswith(f"{path}.")
