"""Makes ultralytics know the dynamic convolutions: it has no registry, so functions are wrapped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, Final

import torch
import ultralytics
from torch import nn
from ultralytics.engine import model as engine
from ultralytics.nn import tasks
from ultralytics.utils import dist, torch_utils

from odconv_torch.flops import thop_ops
from odconv_torch.layers import DynamicConv
from odconv_torch.tools.fuse import fuse
from odconv_torch.ultralytics.building import KEY, Entry, build, dynamic_paths, entries
from odconv_torch.ultralytics.loading import check_nothing_is_lost, source_of, start_from_static

_TESTED: Final = "8.4.190"
_WRAPS: Final = "wraps_for_odconv"  # an attribute of a function that has been wrapped
_NOTED: Final = "odconv"  # an attribute of a network's layers, their `Registration`
_START: Final = "on_pretrain_routine_start"  # an event of ultralytics


class Registration:
    """What a network with dynamic convolutions carries: its file registers where it is read.

    Args:
        told: the entries of the dynamic convolutions that the rows of its YAML tell.
    """

    def __init__(self, told: Sequence[Entry] = ()) -> None:
        self.told = told

    def __reduce__(self) -> tuple[Callable[..., Registration], tuple[Sequence[Entry]]]:
        return _registered, (self.told,)

    def __call__(self, trainer: Any) -> None:
        """Nothing: as a callback of a trainer it is there to be read in another process."""


def register() -> None:
    """Makes ultralytics build, train, fuse, count and load dynamic convolutions.

    Afterwards a model's YAML may have rows such as `[-1, 1, ODConv2d, [128, 3, 2]]` and
    `[-1, 3, C2f_ODConv, [256, True, {kernel_num: 4}]]`, see `odconv_torch.ultralytics.rows`. A
    second call does nothing. A file of a model with dynamic convolutions registers when it is read.

    Raises:
        ValueError: this version of ultralytics lacks a function that dynamic convolutions need.

    Example:
        >>> register()
        >>> network = tasks.DetectionModel(str(config_path("yolov8n-od4")), verbose=False)
        >>> network.model[1].conv.spec.kernel_num
        4
    """
    for owner, name, wrap in (
        (tasks, "parse_model", _building),
        (tasks, "fuse_conv_and_bn", _fusing),
        (tasks.BaseModel, "load", _loading),
        (torch_utils, "get_flops", _counting),
        (engine.Model, "train", _training),
        (dist, "generate_ddp_file", _distributing),
    ):
        original = getattr(owner, name, None)
        if original is None:
            raise ValueError(
                f"ultralytics {ultralytics.__version__}: expected {owner.__name__}.{name}, which "
                f"it lacks; odconv was tested with ultralytics {_TESTED}"
            )
        if not hasattr(original, _WRAPS):
            wrapped = wraps(original)(wrap(original))
            setattr(wrapped, _WRAPS, True)
            setattr(owner, name, wrapped)


def keep(model: nn.Module) -> bool:
    """Makes a training keep the dynamic convolutions that a model has beside those of its YAML.

    A trainer of ultralytics builds its network anew from a description, and would build static
    convolutions where only the network in memory has dynamic ones. This writes them into the
    description. `replace_convs` and `YOLO.train` call it; call it yourself before you give a
    network that you changed by hand to a trainer.

    Args:
        model: a `YOLO`, or its network.

    Returns:
        Whether there are some that no row of the YAML names.

    Example:
        >>> network = tasks.DetectionModel("yolov8n.yaml", verbose=False)
        >>> network.model[1].conv = ODConv2d.from_static(network.model[1].conv)
        >>> keep(network), network.yaml["odconv"]
        (True, [['1.conv', 'od', {}]])
    """
    register()
    networks = [module for module in model.modules() if isinstance(module, tasks.BaseModel)]
    written = [_write_down(network) for network in networks]
    return any(written)


def _write_down(network: nn.Module) -> bool:
    layers, description = network.get_submodule("model"), getattr(network, "yaml", {})
    told = getattr(layers, _NOTED, Registration()).told
    untold = [entry for entry in entries(layers) if entry not in told]
    if untold:
        description[KEY] = untold
        setattr(layers, _NOTED, Registration(told))
    return bool(untold)


def _registered(told: Sequence[Entry]) -> Registration:
    """What reading a file calls."""
    register()
    return Registration(told)


def _building(original: Callable[..., Any]) -> Callable[..., Any]:
    def parse_model(d: Mapping[str, Any], ch: int, verbose: bool = True) -> Any:
        layers, kept, told = build(original, d, ch, verbose)
        if dynamic_paths(layers):
            setattr(layers, _NOTED, Registration(told))
        return layers, kept

    return parse_model


def _fusing(original: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    def fuse_conv_and_bn(conv: nn.Module, bn: nn.Module) -> nn.Module:
        if not isinstance(conv, DynamicConv):
            return original(conv, bn)
        try:
            folded = fuse(conv, bn)
        except (NotImplementedError, ValueError):  # a kind whose arrays cannot take up a norm
            folded = nn.Sequential(conv, bn)
        return folded.requires_grad_(False)

    return fuse_conv_and_bn


def _loading(original: Callable[..., None]) -> Callable[..., None]:
    def load(self: nn.Module, weights: Any, verbose: bool = True) -> None:
        source = source_of(weights)
        check_nothing_is_lost(self, source)
        original(self, weights, verbose)
        start_from_static(self, source)

    return load


def _counting(original: Callable[..., float]) -> Callable[..., float]:
    """The original counts small images and multiplies, but an attention costs the same in each."""

    def get_flops(model: nn.Module, imgsz: int | Sequence[int] = 640) -> float:
        network = torch_utils.unwrap_model(model)
        try:
            import thop
        except ImportError:  # ultralytics does without, as in conda, and gives 0
            return original(model, imgsz)
        if not dynamic_paths(network):
            return original(model, imgsz)
        try:
            return 2e-9 * _multiply_adds(network, imgsz, thop.profile)
        except Exception:  # 0, as the original: a training does not end as its log lacks a number
            return 0.0

    return get_flops


def _multiply_adds(network: Any, imgsz: int | Sequence[int], profile: Callable[..., Any]) -> float:
    """Of an image of that size."""
    size = tuple(imgsz) if isinstance(imgsz, Sequence) else (imgsz, imgsz)
    parameter, channels = next(network.parameters()), network.yaml["channels"]
    image = torch.zeros(1, channels, *size, device=parameter.device, dtype=parameter.dtype)
    with torch.no_grad():
        return float(profile(network, inputs=(image,), custom_ops=thop_ops(), verbose=False)[0])


def _training(original: Callable[..., Any]) -> Callable[..., Any]:
    def train(self: Any, trainer: Any = None, **kwargs: Any) -> Any:
        if isinstance(self.model, nn.Module) and keep(self.model) and not self.ckpt:
            # As `YOLO.load` of a network does: the trainer then starts from this one, not from the
            # file of its YAML.
            self.ckpt = {"model": self.model}
        return original(self, trainer, **kwargs)

    return train


def _distributing(original: Callable[..., str]) -> Callable[..., str]:
    """The file holds what each process of a training on several GPUs starts from."""

    def generate_ddp_file(trainer: Any) -> str:
        trainer.callbacks[_START].append(Registration())
        return original(trainer)

    return generate_ddp_file
