"""What the backbones have in common."""

# No annotations as text (`from __future__`): torch.fx puts those of `forward` into its graph, which
# could not be pickled then.

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from odconv_spec import BackboneSpec, ConvSpec
from odconv_spec.feature_maps import OutIndices, feature_indices, stage_to_freeze
from odconv_torch.layers import set_temperature
from odconv_torch.models.head import build_head
from odconv_torch.models.sharing import cells_of
from weights_converter.hub.mixin import HubModel

Model = TypeVar("Model", bound="Backbone")


class Backbone(HubModel, nn.Module):
    """An image classifier: `forward_features`, then `forward_head`, which pools the last map.

    With `num_classes=0` it has no head, and gives features, see `BackboneSpec`. Names and arguments
    of methods are those of timm's networks.

    Attributes:
        spec: what the network is made of.
        num_features: channels of the last map.
        num_classes: width of the output, 0 without a head.
        global_pool: how the last map is pooled, "avg", "max" or, without a head, "" for not at all.
        feature_info: name, channels and stride of each map that `forward_stages` gives.
        frozen_stages: up to which of these maps the network is frozen, -1 for not at all.
        grad_checkpointing: whether blocks are computed again in the backward pass.
    """

    def __init__(self, spec: BackboneSpec) -> None:
        super().__init__()
        self._follow(spec)
        self.num_features = spec.num_features
        self.feature_info = self._maps = spec.feature_info()  # timm has a list of its own here
        self.frozen_stages = -1
        self.grad_checkpointing = False

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """The last map of images, whose sizes are rounded up.

        Args:
            x: (batch, in_channels, height, width).

        Returns:
            (batch, num_features, height / 32, width / 32).
        """
        raise NotImplementedError

    def forward_head(self, features: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        """Logits (batch, num_classes) of the last map, or its features.

        Args:
            features: the last map, (batch, num_features, height, width).
            pre_logits: gives what the classifier takes, (batch, num_features).

        Returns:
            (batch, num_classes), or (batch, num_features) without a head.
        """
        raise NotImplementedError

    def forward_stages(self, x: torch.Tensor, out_indices: OutIndices = None) -> list[torch.Tensor]:
        """The last map of each stride, as `feature_info` describes them.

        Args:
            x: images (batch, in_channels, height, width).
            out_indices: a number n for the last n of `feature_info`, or which of them, where
                negative ones count from the end; all by default. Layers behind them are not run.

        Returns:
            A map (batch, channels, height / stride, width / stride) for each index.

        Raises:
            ValueError: an index is out of range.
        """
        raise NotImplementedError

    def forward_behind(self, x: torch.Tensor) -> torch.Tensor:
        """The last map of `forward_features`, from that of `forward_stages`: the same by default.

        Args:
            x: (batch, channels, height / 32, width / 32).

        Returns:
            (batch, num_features, height / 32, width / 32).
        """
        return x

    def forward_intermediates(
        self,
        x: torch.Tensor,
        indices: OutIndices = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> list[torch.Tensor] | tuple[torch.Tensor, list[torch.Tensor]]:
        """Maps in timm's manner: `forward_stages`, and the last map in the same pass.

        Args:
            x: images (batch, in_channels, height, width).
            indices: `out_indices` of `forward_stages`.
            norm: timm's for transformers; these maps are normalised.
            stop_early: does not run what lies behind the chosen maps; the last map is then that
                where it stopped.
            output_fmt: "NCHW".
            intermediates_only: gives the chosen maps alone, in the same manner.

        Returns:
            The last map, and the list of the chosen ones.

        Raises:
            ValueError: an index is out of range, or another `output_fmt`.
        """
        if output_fmt != "NCHW":
            raise ValueError(f"output_fmt: expected 'NCHW', received {output_fmt!r}")
        chosen = feature_indices(self._maps, indices)
        if intermediates_only:
            return self.forward_stages(x, chosen)
        maps = self.forward_stages(x, range(chosen[-1] + 1) if stop_early else None)
        last = maps[-1] if stop_early else self.forward_behind(maps[-1])
        return last, [maps[index] for index in chosen]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of images, or their features.

        Args:
            x: (batch, in_channels, height, width).

        Returns:
            (batch, num_classes), or features as `global_pool` says without a head.
        """
        return self.forward_head(self.forward_features(x))

    def get_classifier(self) -> nn.Module:
        """The head, `torch.nn.Identity` where there is none.

        Returns:
            The layer itself, not a copy.
        """
        return self.get_submodule(self.spec.head_path)

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Puts a new head, with random weights, in the place of that which the network has.

        Args:
            num_classes: width of the output, 0 for no head.
            global_pool: "avg", "max" or "", see `BackboneSpec`; None is as it was.

        Raises:
            ValueError: a value is out of range, or classes of a map that is not pooled.

        Example:
            >>> model = create_model("od_resnet18")
            >>> model.reset_classifier(3)
            >>> model(torch.rand(1, 3, 32, 32)).shape, model.spec.num_classes
            (torch.Size([1, 3]), 3)
        """
        pool = self.global_pool if global_pool is None else global_pool
        spec = replace(self.spec, num_classes=num_classes, global_pool=pool)
        *_, last = self.parameters()  # the head is where the last layer is
        head = build_head(spec.head, last.device, last.dtype)
        parent, _, name = spec.head_path.rpartition(".")
        setattr(self.get_submodule(parent), name, head.train(self.training))
        self._follow(spec)
        self.forget_class_names()

    def freeze_stages(self, stage: int | None) -> None:
        """Freezes all that leads to `feature_info[stage]`, and nothing else.

        Its parameters get no gradient, so that an optimizer leaves them as they are, and its batch
        norms keep their statistics and use them, in training mode, too. The temperature of frozen
        convolutions can still be set. Cells that they share with later stages are frozen as well.

        Args:
            stage: the last to freeze, from 0, the stem; None trains all again.

        Raises:
            ValueError: there is no such stage.

        Example:
            >>> model = create_model("od_resnet18")
            >>> model.freeze_stages(1)
            >>> trained = [n for n, p in model.named_parameters() if p.requires_grad]
            >>> trained[0]
            'layer2.0.conv1.weight'
        """
        place = stage_to_freeze(self._maps, stage)
        self._require_gradients(True)
        self.frozen_stages = place
        self._require_gradients(False)
        self.train(self.training)

    def train(self: Model, mode: bool = True) -> Model:
        """Training or inference mode; frozen stages stay in inference mode.

        Returns:
            The network itself.
        """
        super().train(mode)
        for module in self._frozen():
            module.eval()
        return self

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Computes each block again in the backward pass: less memory, more time.

        A batch norm there sees each batch twice, as in every network with `torch.utils.checkpoint`.
        """
        self.grad_checkpointing = enable

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Parameters from the stem to the head, as timm's `param_groups_layer_decay` takes them.

        Args:
            coarse: by stages in place of blocks.

        Returns:
            Name of a group -> the pattern of its parameters, or patterns and places.
        """
        raise NotImplementedError

    def no_weight_decay(self) -> set[str]:
        """Names of parameters that timm's optimizers do not decay beside those of one axis.

        They are the biases of a convolution that has one for each kernel, (kernel_num, out).

        Returns:
            The names, none where no convolution mixes biases.
        """
        return {n for n, p in self.named_parameters() if n.endswith("bias") and p.ndim > 1}

    def set_temperature(self, temperature: float) -> None:
        """Sets the temperature of all dynamic convolutions; ValueError if it is not positive."""
        set_temperature(self, temperature)

    def modules_up_to(self, index: int) -> Mapping[str, nn.Module]:
        """The children, by name, that the maps up to `feature_info[index]` take.

        Returns:
            Name -> module, or the part of a module that is needed.
        """
        raise NotImplementedError

    def _follow(self, spec: BackboneSpec) -> None:
        """Takes what a head determines from `spec`."""
        self.spec = spec
        self.num_classes = spec.num_classes
        self.global_pool = spec.global_pool
        self._head_is_conv = isinstance(spec.head, ConvSpec)

    def _frozen(self) -> Iterable[nn.Module]:
        return () if self.frozen_stages < 0 else self.modules_up_to(self.frozen_stages).values()

    def _require_gradients(self, required: bool) -> None:
        """Of the frozen layers, and of the cells that they read."""
        for module in self._frozen():
            module.requires_grad_(required)
        for cells in cells_of(self._frozen()):
            cells.requires_grad_(required)

    def _run(self, layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
        """`layer(x)`, where `layer` is a block or a sequence of blocks."""
        if not self.grad_checkpointing:
            return layer(x)
        for block in layer if type(layer) is nn.Sequential else (layer,):
            x = checkpoint(block, x, use_reentrant=False)
        return x

    def _pool(self, features: torch.Tensor) -> torch.Tensor:
        """(batch, num_features), or (batch, num_features, 1, 1) for a convolution as classifier.

        The map itself where it is not to be pooled.
        """
        if not self.global_pool:
            return features
        pool = torch.amax if self.global_pool == "max" else torch.mean
        return pool(features, dim=(2, 3), keepdim=self._head_is_conv)

    def _flat(self, y: torch.Tensor) -> torch.Tensor:
        """(batch, channels), of what a convolution as classifier takes or gives."""
        return y.flatten(1) if self._head_is_conv else y
